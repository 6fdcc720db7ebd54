"""
How many parts (segments) a rendered text takes, and where it is cut.

One message carries 140 octets. A longer text travels as parts that each begin with a
user data header: 6 octets with an 8-bit reference, 7 with a 16-bit one (3GPP TS 23.040,
chapters 9.2.3.24.1 and 9.2.3.24.8). Neither an escape pair of GSM-7 nor a surrogate
pair of UTF-16 may be torn, so parts are packed one after the other: dividing the
length by the room of a part gives too few.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from batchwire.domain import encoding
from batchwire.domain.encoding import Encoding

ReferenceBits = Literal[8, 16]

MAX_PARTS = 255
"""The header counts the parts in one octet."""

SINGLE = 160
"""So many septets fill the 140 octets of a message without header."""


class Parts(msgspec.Struct, frozen=True, gc=False):
    """
    The size of one text: ``units`` are septets in GSM-7, UTF-16 code units in UCS-2.

    ``parts`` is at least 1 and not capped: more than ``MAX_PARTS`` cannot be sent.
    """

    encoding: Encoding
    units: int
    parts: int


def count(text: str, *, reference_bits: ReferenceBits = 8) -> Parts:
    """Count the units and parts of ``text``."""
    septets = encoding.count_septets(text)
    if septets is not None and septets <= _GSM7.alone:
        return Parts(Encoding.GSM7, septets, 1)
    coding, units = _encode(text)
    parts = len(_ends(coding, units, reference_bits))
    return Parts(coding.encoding, len(units) // coding.width, parts)


def count_all(texts: Sequence[str], *, reference_bits: ReferenceBits = 8) -> bytes:
    """Count the parts of each text: a byte for each, 0 for more than ``MAX_PARTS``."""
    outside = encoding.outside_basic(texts)
    if not any(outside) and max(map(len, texts), default=0) <= _GSM7.alone:
        return b"\x01" * len(texts)
    room = _GSM7.room[reference_bits]
    parts = [
        count(text, reference_bits=reference_bits).parts
        if beyond
        else (1 if len(text) <= _GSM7.alone else -(-len(text) // room))
        for text, beyond in zip(texts, outside, strict=True)
    ]
    return bytes([n if n <= MAX_PARTS else 0 for n in parts])


def split(text: str, *, reference_bits: ReferenceBits = 8) -> list[str]:
    """Cut ``text`` into what each part carries; joined they are ``text`` again."""
    coding, units = _encode(text)
    ends = _ends(coding, units, reference_bits)
    pieces = [units[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    if coding is _GSM7:
        return [encoding.from_septets(piece) for piece in pieces]
    return [piece.decode("utf-16-be", "surrogatepass") for piece in pieces]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coding:
    """
    How one encoding fills parts, in units of ``width`` bytes.

    A unit whose first byte is in ``opens`` belongs together with the next one.
    """

    encoding: Encoding
    width: int
    alone: int
    room: Mapping[ReferenceBits, int]
    opens: Container[int]


_GSM7 = _Coding(
    encoding=Encoding.GSM7,
    width=1,
    alone=SINGLE,
    room={8: 153, 16: 152},
    opens=(encoding.ESCAPE,),
)
_UCS2 = _Coding(
    encoding=Encoding.UCS2,
    width=2,
    alone=70,
    room={8: 67, 16: 66},
    opens=range(0xD8, 0xDC),  # high surrogates
)


def _encode(text: str) -> tuple[_Coding, bytes]:
    septets = encoding.to_septets(text)
    if septets is not None:
        return _GSM7, septets
    # A lone surrogate, which no list and no template has, is counted, not raised.
    return _UCS2, text.encode("utf-16-be", "surrogatepass")


def _ends(coding: _Coding, units: bytes, reference_bits: ReferenceBits) -> list[int]:
    """Return the offset in bytes at which each part ends; an empty text is one part."""
    size, width = len(units), coding.width
    if size <= coding.alone * width:
        return [size]
    ends: list[int] = []
    end = coding.room[reference_bits] * width
    while end < size:
        if units[end - width] in coding.opens:
            end -= width
        ends.append(end)
        end += coding.room[reference_bits] * width
    return [*ends, size]
