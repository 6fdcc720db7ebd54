"""Peak resident memory of intake, preparation and delivery of one list."""

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

import uvloop

from bench import lists
from bench.figure import Figure
from bench.providers import NullProvider
from bench.scratch import fresh
from bench.service import quiet, service

_SMALL, _LARGE = 100_000, 5_000_000
_AT_MOST_MB = 250.0
_AT_MOST_RATIO = 1.2
_PROC = Path("/proc/self/status")


def run(scale: float, runs: int, scratch: Path) -> list[Figure]:
    """Measure a small and a large list, each in a process of its own."""
    sizes = [max(1, int(size * scale)) for size in (_SMALL, _LARGE)]
    small, large = (
        _peak_mb(lists.plain(scratch / f"{size}.csv", size), runs) for size in sizes
    )
    return [
        _figure(f"{sizes[0]:,} recipients", small, runs),
        _figure(f"{sizes[1]:,} recipients", large, runs),
        Figure(
            bench="memory",
            case="the large list beside the small one",
            value=round(large, 1),
            unit="MB",
            floor=round(small, 1),
            ratio=round(large / small, 3),
            at_most=_AT_MOST_RATIO,
            runs=runs,
        ),
    ]


def _figure(case: str, peak_mb: float, runs: int) -> Figure:
    return Figure(
        bench="memory",
        case=case,
        value=round(peak_mb, 1),
        unit="MB",
        at_most=_AT_MOST_MB,
        runs=runs,
    )


def _peak_mb(path: Path, runs: int) -> float:
    command = [sys.executable, "-m", "bench.memory", str(path)]
    peaks = []
    for _ in range(runs):
        said = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        peaks.append(float(said.stdout.split()[-1]))
    return median(peaks)


async def _work(path: Path) -> None:
    async with service(fresh(path.with_suffix(".db"))) as ours:
        await ours.take(path)
        await ours.run(NullProvider())


def _own_peak_mb() -> float:
    """
    Find this process's peak.

    Linux hands the peak of the parent on in ``ru_maxrss``; ``VmHWM`` is our own.
    """
    if _PROC.exists():
        text = _PROC.read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 / (1024 if sys.platform == "darwin" else 1)


if __name__ == "__main__":
    quiet()
    uvloop.run(_work(Path(sys.argv[1])))
    print(_own_peak_mb())  # noqa: T201 - the parent reads it
