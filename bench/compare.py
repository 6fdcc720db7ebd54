"""Ours beside the floor, in one process, by turns."""

import gc
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

Timed = Callable[[], float]


class Comparison(NamedTuple):
    """Median seconds of each, and the median of the runs' speed ratios."""

    ours_s: float
    floor_s: float
    ratio: float


def compare(runs: int, ours: Timed, floor: Timed) -> Comparison:
    """
    Run both ``runs`` times; each returns the seconds that its work took.

    Who goes first changes from run to run, so that neither always has the warm cache.
    """
    pairs = []
    for number in range(runs):
        seconds = {}
        for one in (ours, floor) if number % 2 == 0 else (floor, ours):
            gc.collect()
            seconds[one] = one()
        pairs.append((seconds[ours], seconds[floor]))
    return Comparison(
        median(a for a, _ in pairs),
        median(b for _, b in pairs),
        median(b / a for a, b in pairs),
    )
