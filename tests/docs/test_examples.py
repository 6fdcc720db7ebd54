"""The programs and lists of ``examples`` work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TEMPLATE = "Hello {{name}}, your code is {{code}}."


def test_the_embedded_example_delivers_once(tmp_path: Path) -> None:
    program = [str(EXAMPLES / "embedded.py"), str(EXAMPLES / "people.csv")]
    first = run(tmp_path, *program)
    again = run(tmp_path, *program)
    ledger = ["completed", "invalid: 1", "duplicate: 1", "accepted: 3"]
    assert first.splitlines() == ["new", *ledger]
    assert again.splitlines() == ["known", *ledger]


@pytest.mark.parametrize(
    ("name", "template", "count"),
    [
        ("people.csv", TEMPLATE, 3),
        ("people.jsonl", TEMPLATE, 2),
        ("plain.txt", "Hello", 2),
    ],
)
def test_a_list_of_the_examples_can_be_sent(
    tmp_path: Path, name: str, template: str, count: int
) -> None:
    options = ["--template", template, "--default-region", "DE"]
    path = str(EXAMPLES / name)
    said = run(tmp_path, "-m", "batchwire", "send", path, *options, "--json")
    assert f'"accepted": {count},' in said


def run(folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if "BATCHWIRE" not in k}
    return subprocess.run(  # noqa: S603 our own programs
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    ).stdout
