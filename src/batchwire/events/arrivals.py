"""Records on their way in: read once, with what identifies them."""

from hashlib import blake2b

import msgspec

from batchwire.domain.record import Record
from batchwire.errors import MessageError
from batchwire.messages.codec import Decoded, decode
from batchwire.messages.dead_letter import redriven_as

_ID_LONGEST = 255  # characters


class Received(msgspec.Struct, frozen=True):
    """
    A record and what it says, or why it cannot be read: one of both is there.

    ``event_id`` identifies it among all events of the topic; that of a record that
    cannot be read is its place, the first one where it was redriven.
    """

    record: Record
    event_id: str
    batch_id: str
    decoded: Decoded | None
    error: MessageError | None = None


def receive(record: Record) -> Received:
    """Read a record; never raises for what stands in it."""
    try:
        decoded = decode(record)
    except MessageError as error:
        event_id = redriven_as(record) or _place_of(record)
        return Received(record, event_id, _key_of(record), None, error)
    event_id = decoded.event_id
    if len(event_id) > _ID_LONGEST:
        event_id = blake2b(event_id.encode(), digest_size=32).hexdigest()
    return Received(record, event_id, decoded.message.batch_id, decoded)


def lane_key(received: Received) -> bytes:
    """Give the key whose events must keep their order: the batch, else the record's."""
    return received.batch_id.encode() or received.record.key or b""


def _place_of(record: Record) -> str:
    place = record.place
    if place is None:
        return blake2b(record.value or b"", digest_size=32).hexdigest()
    return f"{place.topic}:{place.partition}:{place.offset}"


def _key_of(record: Record) -> str:
    return (record.key or b"").decode(errors="replace").replace("\0", "")[:_ID_LONGEST]
