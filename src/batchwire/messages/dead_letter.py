"""
The record of a dead letter: the original untouched, and why, in headers.

``__dlq.errors.*`` are the names of Kafka 4.4 (KIP-1191), ``x-dlq-*`` are ours.
"""

from collections.abc import Iterator

import msgspec

from batchwire.domain.dead_letter import DeadLetter
from batchwire.domain.record import Record
from batchwire.messages.times import format_time

_OURS = ("__dlq.errors.", "x-dlq-")
_MESSAGE_LONGEST = 1000  # characters


def to_record(letter: DeadLetter) -> Record:
    """Return the record for the dead-letter topic; older headers of ours are replaced."""
    record = letter.record
    kept = [(k, v) for k, v in record.headers if not k.startswith(_OURS)]
    told = [(name, text.encode()) for name, text in _told(letter)]
    return msgspec.structs.replace(record, headers=(*kept, *told), place=None)


def _told(letter: DeadLetter) -> Iterator[tuple[str, str]]:
    place = letter.record.place
    yield "__dlq.errors.topic", letter.topic
    if place is not None:
        yield "__dlq.errors.partition", str(place.partition)
        yield "__dlq.errors.offset", str(place.offset)
    yield "__dlq.errors.group", letter.group
    yield "__dlq.errors.delivery.count", str(letter.deliveries)
    yield "__dlq.errors.message", letter.message[:_MESSAGE_LONGEST]
    yield "x-dlq-disposition", letter.disposition
    yield "x-dlq-failed-at", format_time(letter.failed_at)
    yield "x-dlq-replay-count", str(letter.replays)
