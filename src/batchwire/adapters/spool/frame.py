"""
One event in a file: length and CRC-32 (little-endian, 4 bytes each), then its bytes.

A killed process leaves at most the last frame incomplete; whoever reads sees it by the
length. The checksum tells what a failing disk has changed.
"""

from collections.abc import Iterator
from struct import Struct
from zlib import crc32

LARGEST = 16 * 1024 * 1024  # bytes; a longer length is no length but damage

_HEAD = Struct("<II")


def pack(payload: bytes) -> bytes:
    """Return the frame of an event."""
    return _HEAD.pack(len(payload), crc32(payload)) + payload


def unpack(frame: bytes) -> bytes | None:
    """Return the event of a whole frame, ``None`` where it is damaged."""
    payload = frame[_HEAD.size :]
    return payload if crc32(payload) == _HEAD.unpack_from(frame)[1] else None


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
