"""Records as columns: whole, or in the outbox under Debezium's names."""

from functools import partial
from typing import Any
from zlib import crc32

import msgspec
from sqlalchemy import Row

from batchwire.domain.record import Headers, Record
from batchwire.ports.bus import Outgoing
from batchwire.ports.outbox import Pending

SHARDS = 64

_ID_LONGEST = 255
_encoder = msgspec.msgpack.Encoder()
_record = msgspec.msgpack.Decoder(Record)
_headers = msgspec.msgpack.Decoder(Headers)


def packed(record: Record) -> bytes:
    """Encode a whole record (MessagePack), its place included."""
    return _encoder.encode(record)


def unpacked(data: bytes) -> Record:
    """Read a packed record back."""
    return _record.decode(data)


def outbox_row(outgoing: Outgoing, at_ms: int) -> dict[str, Any]:
    """Make the row of the outbox; what the columns tell again comes from the headers."""
    record = outgoing.record
    key = record.key or b""
    told = dict(record.headers)
    return {
        "id": _text(told.get("ce_id")),
        "aggregatetype": "batch",
        "aggregateid": _text(key),
        "type": _text(told.get("message_type"))[:64],
        "payload": record.value,
        "key": record.key,
        "headers": _encoder.encode(record.headers),
        "topic": outgoing.topic,
        "shard": crc32(key) % SHARDS,
        "at": at_ms,
    }


def pending_of(
    row: Row[int, str, bytes | None, bytes | None, bytes],
) -> Pending:
    """Read what waits back from (position, topic, key, payload, headers)."""
    position, topic, key, value, headers = row
    return Pending(position, topic, partial(_made, key, value, headers))


def _made(key: bytes | None, value: bytes | None, headers: bytes) -> Record:
    return Record(key=key, value=value, headers=_headers.decode(headers))


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace").replace("\0", "")[:_ID_LONGEST]
