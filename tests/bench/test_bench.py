"""The benches, on next to nothing: that they run and say what they found."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest

from batchwire.testing.kafka.fixtures import or_skip
from batchwire.testing.kafka.jars import jars
from batchwire.testing.kafka.programs import java

ROOT = Path(__file__).parents[2]
BENCHES = (
    "delivery-http",
    "delivery-null",
    "delivery-postgres",
    "preparation",
    "ledger",
    "memory",
    "stop",
    "stop-postgres",
    "workers",
    "claim",
    "startup",
)
ON_KAFKA = ("consume", "relay", "lanes")


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``python -m bench`` as ``make bench`` does."""
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "bench", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ON_KAFKA)
def test_a_bench_on_kafka_prints_too(name: str, tmp_path: Path) -> None:
    with or_skip():
        java()
        jars()
    has_peer = find_spec("faststream") is not None
    if name == "consume" and not has_peer and os.environ.get("CI") != "true":
        pytest.skip("FastStream is not installed; `make peers` installs it")
    test_a_bench_prints_a_line_per_case_and_writes_its_figures(name, tmp_path)


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_prints_a_line_per_case_and_writes_its_figures(
    name: str, tmp_path: Path
) -> None:
    ended = bench("--only", name, "--scale", 0.001, "--runs", 1, "--out", tmp_path)

    assert ended.returncode == 0, ended.stderr
    written = msgspec.json.decode((tmp_path / f"{name}.json").read_bytes())
    figures = written if isinstance(written, list) else [written]
    lines = ended.stdout.splitlines()
    assert len(lines) == len(figures)
    for figure, line in zip(figures, lines, strict=True):
        assert figure["bench"] == name
        assert line.startswith(f"{name:14} {figure['case']}")
        assert figure["value"] >= 0
        assert figure["unit"] in line
        assert figure["runs"] >= 1
    assert any({"at_least", "at_most"} & set(figure) for figure in figures)
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.json"]


def test_an_unknown_bench_is_refused_with_the_names_of_those_there_are() -> None:
    ended = bench("--only", "speed")

    assert ended.returncode == 2
    assert "no bench 'speed'" in ended.stderr
    for name in BENCHES:
        assert name in ended.stderr
