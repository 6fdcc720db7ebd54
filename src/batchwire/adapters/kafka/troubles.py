"""
The specification's three troubles ("故障排查"), told where they are there.

Kafka cannot be reached, messages pile up (消息积压), messages are handled twice; and
dead letters, which it does not know.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from batchwire.adapters.kafka.diagnosis import Examination, Lag


class Name(StrEnum):
    """Which trouble."""

    CONNECTION = "connection"
    BACKLOG = "backlog"
    DUPLICATES = "duplicates"
    DEAD_LETTERS = "dead_letters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What was seen of it, and what to do, the first thing first."""

    name: Name
    seen: str
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the database has counted; None where nobody asked it."""

    duplicates: int | None = None
    dead_letters: int | None = None


def troubles(found: Examination, counts: Counts) -> list[Trouble]:
    """Tell those that are there."""
    return list(_troubles(found, counts))


def _troubles(found: Examination, counts: Counts) -> Iterator[Trouble]:
    if found.failed:
        seen = f"step {found.failed.check}: {found.failed.seen}"
        advice = (found.failed.remedy,)
        yield Trouble(name=Name.CONNECTION, seen=seen, advice=advice)
    if found.lag and found.lag.records:
        yield _backlog(found.lag)
    if counts.duplicates:
        yield _duplicates(counts.duplicates)
    if counts.dead_letters:
        yield _dead_letters(counts.dead_letters)


def _backlog(lag: Lag) -> Trouble:
    start = () if lag.has_readers else ("start a reader: batchwire serve",)
    more = (
        (
            f"if it grows, read with more members, up to {lag.partitions} in all processes:"
            " batch_events.consumer.consumers"
        ),
        "handle more at once: batch_events.consumer.processors",
        "see whether the database or a provider is what everybody waits for",
    )
    seen = f"{lag.records} records wait for the group {lag.group_id}"
    return Trouble(name=Name.BACKLOG, seen=seen, advice=start + more)


def _duplicates(count: int) -> Trouble:
    advice = (
        "nothing has to be done: each had its effect once, and was counted",
        (
            "if there are many, a reader ends before it commits, or a producer sends again:"
            " look for kills and rebalances, and for producers without idempotence"
        ),
        "a producer that gives the same thing a new request_id cannot be seen through",
    )
    seen = f"{count} events came more than once"
    return Trouble(name=Name.DUPLICATES, seen=seen, advice=advice)


def _dead_letters(count: int) -> Trouble:
    advice = (
        "see why they failed: batchwire dlq list",
        "when the reason is gone, let them come again: batchwire dlq redrive",
    )
    seen = f"{count} events could not be handled and were put aside"
    return Trouble(name=Name.DEAD_LETTERS, seen=seen, advice=advice)
