"""Spools in a temporary directory."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from batchwire.adapters.spool import Spool, SpoolLimits, SpoolOutbox
from batchwire.domain.record import Record
from batchwire.ports.bus import Outgoing

SMALL = SpoolLimits(disk_bytes=4000, memory_bytes=200, segment_bytes=200)
T = TypeVar("T")


def report(number: int) -> bytes:
    """Make a report of 20 bytes."""
    return b"%020d" % number


def record(payload: bytes) -> Outgoing | None:
    """Read a report as its record; one that begins with ``bad`` has none."""
    if payload.startswith(b"bad"):
        return None
    return Outgoing(topic="t", record=Record(key=b"b1", value=payload))


def outbox_of(directory: Path, spool: Spool) -> SpoolOutbox:
    """Make the outbox of a process."""
    return SpoolOutbox(directory, spool, record)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Await; the outbox of a spool waits for nobody."""
    return asyncio.run(work)


def drained(outbox: SpoolOutbox, most: int = 3) -> list[bytes | None]:
    """Publish all that waits, a few at once; returns the reports in order."""
    values = []
    run(outbox.lease("r"))
    while pending := run(outbox.pending("r", most)):
        values += [one.outgoing.record.value for one in pending]
        assert run(outbox.done("r", pending)) == len(pending)
    return values


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"
