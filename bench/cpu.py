"""Processor time of running processes, as Linux tells it in ``/proc``."""

import os
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PARENT, _USED = 1, slice(11, 15)  # fields behind the name; see proc(5)


def is_told() -> bool:
    """Whether this system tells it."""
    return (_PROC / "self" / "stat").exists()


def of_processes(pids: Iterable[int]) -> float:
    """Give the seconds that processes used, with those of their ended children."""
    fields = (_fields(_PROC / str(pid)) for pid in pids)
    return sum(map(_ticks, fields)) / _TICKS_PER_S


def of_family(pid: int) -> float:
    """Give the seconds of a process and all its children, the living and the ended."""
    living = [_fields(one) for one in _PROC.iterdir() if one.name.isdigit()]
    children = [one for one in living if one and int(one[_PARENT]) == pid]
    return of_processes([pid]) + sum(map(_ticks, children)) / _TICKS_PER_S


def _fields(process: Path) -> list[str]:
    """Read what stands behind the process's name; nothing where it has just ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _ticks(fields: list[str]) -> int:
    return sum(map(int, fields[_USED]))
