"""
One event in a file: length and CRC-32 (little-endian, 4 bytes each), then msgpack.

A killed process leaves at most the last frame incomplete; whoever reads sees it by the
length. The checksum tells what a failing disk has changed.
"""

from collections.abc import Iterator
from struct import Struct
from zlib import crc32

import msgspec

from batchwire.domain.record import Headers, Record
from batchwire.ports.bus import Outgoing

LARGEST = 16 * 1024 * 1024  # bytes; a longer length is no length but damage

_HEAD = Struct("<II")


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """What a frame holds; ``at_ms`` is when it was kept, Unix milliseconds."""

    at_ms: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def outgoing(self) -> Outgoing:
        """Return it as what a producer takes."""
        record = Record(key=self.key, value=self.value, headers=self.headers)
        return Outgoing(topic=self.topic, record=record)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


def pack(outgoing: Outgoing, at_ms: int) -> bytes:
    """Return the frame of a record."""
    record = outgoing.record
    kept = Kept(at_ms, outgoing.topic, record.key, record.value, record.headers)
    body = _encode(kept)
    return _HEAD.pack(len(body), crc32(body)) + body


def unpack(frame: bytes) -> Kept | None:
    """Return what a whole frame holds, ``None`` where it is damaged."""
    body = frame[_HEAD.size :]
    if crc32(body) != _HEAD.unpack_from(frame)[1]:
        return None
    try:
        return _decode(body)
    except msgspec.DecodeError:
        return None


def split(data: bytes) -> Iterator[bytes]:
    """Give the whole frames that ``data`` begins with; an incomplete last one is not."""
    start = 0
    while (size := size_at(data, start)) and start + size <= len(data):
        yield data[start : start + size]
        start += size


def size_at(data: bytes, start: int) -> int:
    """Return the bytes of the frame that begins there; 0 where none can be told."""
    if len(data) - start < _HEAD.size:
        return 0
    length = _HEAD.unpack_from(data, start)[0]
    return _HEAD.size + length if 0 < length <= LARGEST else 0
