"""
The numbers of a batch, one for each outcome: they add up to its recipients.

A tuple indexed by ``Outcome`` rather than named fields, so that a chunk, a batch and a
segment count alike.
"""

from collections.abc import Iterable

from batchwire.domain.outcome import Outcome

Counts = tuple[int, ...]

ZERO: Counts = (0,) * len(Outcome)
_VALUES = range(len(Outcome))

_SUCCESS = (Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.UNDELIVERED)
_FAILED = (Outcome.FAILED, Outcome.INVALID, Outcome.EXPIRED)


def count(outcomes: bytes | bytearray) -> Counts:
    """Count outcome bytes."""
    return tuple(map(outcomes.count, _VALUES))


def add(first: Counts, second: Iterable[int]) -> Counts:
    """Sum, outcome by outcome; deltas may be negative."""
    return tuple(map(int.__add__, first, second))


def moved(counts: Counts, source: Outcome, to: Outcome) -> Counts:
    """Everything of one outcome becomes another."""
    changed = list(counts)
    changed[to] += changed[source]
    changed[source] = 0
    return tuple(changed)


def processed(counts: Counts) -> int:
    """Recipients that are no longer open (the wire's ``processed``)."""
    return sum(counts) - counts[Outcome.OPEN]


def tenth(counts: Counts) -> int:
    """How many tenths of the recipients are processed, 0 … 10."""
    total = sum(counts)
    return 10 * processed(counts) // total if total else 0


def success(counts: Counts) -> int:
    """Recipients whose message a provider accepted (the wire's ``success``)."""
    return sum(counts[outcome] for outcome in _SUCCESS)


def failed(counts: Counts) -> int:
    """Recipients that failed, are invalid or expired (the wire's ``failed``)."""
    return sum(counts[outcome] for outcome in _FAILED)


def named(counts: Counts) -> dict[str, int]:
    """Name the counts by their outcome in lower case, zeros included."""
    return {o.name.lower(): counts[o] for o in Outcome}
