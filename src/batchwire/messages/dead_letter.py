"""
The records of a dead letter: its copy for others to see, and itself on its way back.

``__dlq.errors.*`` are the names of Kafka 4.4 (KIP-1191), ``x-dlq-*`` are ours.
"""

from collections.abc import Iterator

import msgspec

from batchwire.domain.dead_letter import DeadLetter
from batchwire.domain.record import Record
from batchwire.messages.times import format_time

_OURS = ("__dlq.errors.", "x-dlq-")
_EVENT_ID = "x-dlq-event-id"
_FIRST_AT = "x-dlq-first-at-ms"
_REPLAYS = "x-dlq-replay-count"
_DISPOSITION = "x-dlq-disposition"
_DIGITS = 13  # of a time in Unix milliseconds, until the year 2286
_EVENT_ID_LONGEST = 255  # characters
_MESSAGE_LONGEST = 1000  # characters


def to_record(letter: DeadLetter) -> Record:
    """Return the record for the dead-letter topic; older headers of ours are replaced."""
    record = letter.record
    kept = [(k, v) for k, v in record.headers if not k.startswith(_OURS)]
    told = [(name, text.encode()) for name, text in _told(letter)]
    return msgspec.structs.replace(record, headers=(*kept, *told), place=None)


def to_redrive(letter: DeadLetter) -> Record:
    """
    Return the record that goes to its topic again, key, value and headers as they were.

    Its event id goes along: a record without any of its own is known by its place, and
    gets another one. So does the time of the record, for events that tell none.
    """
    again = (
        (_EVENT_ID, letter.event_id),
        (_FIRST_AT, str(first_at_ms(letter.record))),
        (_REPLAYS, str(letter.replays + 1)),
    )
    told = tuple((name, text.encode()) for name, text in again)
    headers = (*letter.record.headers, *told)
    return msgspec.structs.replace(letter.record, headers=headers, place=None)


def is_copy(record: Record) -> bool:
    """Whether it is the copy of a dead letter, for the dead-letter topic."""
    names = {name for name, _ in record.headers}
    return _DISPOSITION in names and _EVENT_ID not in names


def redriven_as(record: Record) -> str:
    """Give the event id that a redriven record had before; empty where it was not."""
    told = dict(record.headers).get(_EVENT_ID) or b""
    return told.decode(errors="replace").replace("\0", "")[:_EVENT_ID_LONGEST]


def first_at_ms(record: Record) -> int:
    """Give when a record was first on its topic, Unix milliseconds; 0 is unknown."""
    told = dict(record.headers).get(_FIRST_AT) or b""
    return int(told) if told.isdigit() and len(told) <= _DIGITS else record.at_ms


def _told(letter: DeadLetter) -> Iterator[tuple[str, str]]:
    place = letter.record.place
    yield "__dlq.errors.topic", letter.topic
    if place is not None:
        yield "__dlq.errors.partition", str(place.partition)
        yield "__dlq.errors.offset", str(place.offset)
    yield "__dlq.errors.group", letter.group
    yield "__dlq.errors.delivery.count", str(letter.deliveries)
    yield "__dlq.errors.message", letter.message[:_MESSAGE_LONGEST]
    yield _DISPOSITION, letter.disposition
    yield "x-dlq-failed-at", format_time(letter.failed_at)
    yield _REPLAYS, str(letter.replays)
