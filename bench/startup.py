"""Starting: what a person waits for before anything happens."""

import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench import lists
from bench.figure import Figure

_VERSION = ("-m", "batchwire", "--version")
_IMPORT = ("-c", "import batchwire")


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Start whole processes; the work is as small as it can be at any scale."""
    del scale
    lists.plain(scratch / "list.csv", 1)
    first = median(_first_submission_ms(scratch, number) for number in range(runs))
    return [
        _figure("batchwire --version", _process_ms(_VERSION, runs), 300, runs),
        _figure("import batchwire", _process_ms(_IMPORT, runs), 150, runs),
        _figure("start to first submission of send", first, 1500, runs),
    ]


def _figure(case: str, value: float, at_most: float, runs: int) -> Figure:
    return Figure(
        bench="startup",
        case=case,
        value=round(value),
        unit="ms",
        at_most=at_most,
        runs=runs,
    )


def _process_ms(arguments: tuple[str, ...], runs: int) -> float:
    return median(_ms(arguments) for _ in range(runs))


def _ms(arguments: tuple[str, ...]) -> float:
    started = time.perf_counter()
    subprocess.run(  # noqa: S603
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL
    )
    return (time.perf_counter() - started) * 1000


def _first_submission_ms(scratch: Path, number: int) -> float:
    """Send to one recipient by the in-process sandbox, in an empty database."""
    command = [
        *(sys.executable, "-m", "bench.first_submission"),
        *("--database", str(scratch / f"{number}.db"), "send"),
        *(str(scratch / "list.csv"), "--template", lists.TEMPLATE, "--wait"),
    ]
    started = time.monotonic()
    ended = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    said = re.search(r"^first at (\S+)$", ended.stderr, re.MULTILINE)
    if said is None:
        problem = "batchwire send submitted nothing"
        raise RuntimeError(problem)
    return (float(said[1]) - started) * 1000
