"""
What a telephone can show: the GSM 7-bit alphabet, UCS-2, and the way between them.

A text that stays inside GSM-7 holds 160 characters a message, any other 70, so one
curly quote can double the price of a batch. Tables: 3GPP TS 23.038, chapter 6.2.1
(basic) and 6.2.1.1 (extension); the national language tables are not used.
"""

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum

import msgspec


class Encoding(StrEnum):
    """How a text travels; decided by its characters alone."""

    GSM7 = "gsm7"  # septets; a character of the extension table takes two
    UCS2 = "ucs2"  # UTF-16 code units, big-endian; an emoji takes two


ESCAPE = 0x1B
"""The septet that announces a character of the extension table."""

# The place of a character is its septet: 16 a line; ESC stands for itself.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
_EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}

_ONE_SEPTET = _BASIC.replace("\x1b", "")
_GSM7 = re.escape(_ONE_SEPTET + "".join(_EXTENSION))
_find_extension = re.compile(f"[{re.escape(''.join(_EXTENSION))}]").findall
_is_gsm7 = re.compile(f"[{_GSM7}]*+").fullmatch
_outside = re.compile(f"[^{_GSM7}]")

_BASIC_LATIN1 = _ONE_SEPTET.encode("latin-1", "ignore")
_TO_SEPTETS = {ord(char): chr(septet) for septet, char in enumerate(_BASIC)} | {
    ord(char): chr(ESCAPE) + chr(septet) for char, septet in _EXTENSION.items()
}
_FROM_BASIC = dict(enumerate(_BASIC))
_FROM_ESCAPED = _FROM_BASIC | {septet: char for char, septet in _EXTENSION.items()}

_NEIGHBOURS = {
    "'": "`\xb4\u02b9\u02bb\u02bc\u02c8\u2018\u2019\u201a\u201b\u2032\u2035\uff07",
    '"': "\xab\xbb\u02ba\u201c\u201d\u201e\u201f\u2033\u2036\u275d\u275e\u301d"
    "\u301e\uff02",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d",
    "...": "\u2026",
    "<": "\u2039",
    ">": "\u203a",
    "/": "\u2044\u2215",
    "*": "\u2022\u2217",
    " ": "\t\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u202f\u205f\u3000",
    "\n": "\v\x85\u2028\u2029",
    "": "\xad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060"
    "\u2066\u2067\u2068\u2069\ufeff",
}
_NEIGHBOUR_OF = {
    char: neighbour for neighbour, chars in _NEIGHBOURS.items() for char in chars
}


def outside_basic(texts: Sequence[str]) -> list[bytes]:
    """
    Return for each text what surely takes one septet a character when it is empty.

    For many texts at once, and cautious: a Greek capital counts as outside. Joined by
    NUL, which is no character of GSM-7, the texts are encoded in Latin-1, where the
    basic table is deleted; what is not Latin-1 leaves a backslash.
    """
    joined = "\0".join(texts)
    if joined.count("\0") >= len(texts):
        joined = "\0".join(text.replace("\0", "\1") for text in texts)
    octets = joined.encode("latin-1", "backslashreplace")
    return octets.translate(None, _BASIC_LATIN1).split(b"\0")[: len(texts)]


def are_basic(texts: Sequence[str]) -> bool:
    """Whether ``outside_basic`` finds nothing, for a third of the time."""
    octets = "".join(texts).encode("latin-1", "backslashreplace")
    return not octets.translate(None, _BASIC_LATIN1)


def count_septets(text: str) -> int | None:
    """Count what ``text`` takes in GSM-7; None if a character is not in it."""
    if not _is_gsm7(text):
        return None
    return len(text) + len(_find_extension(text))


def to_septets(text: str) -> bytes | None:
    """Encode in GSM-7, one byte a septet (``@`` is 0); None if a character has none."""
    if not _is_gsm7(text):
        return None
    return text.translate(_TO_SEPTETS).encode("latin-1")


def from_septets(septets: bytes) -> str:
    """
    Decode GSM-7 of one byte a septet (0 … 127); the reverse of ``to_septets``.

    An escaped septet without an extension shows as its basic character, as TS 23.038
    (6.2.1.1, note 2) asks of a receiver.
    """
    head, *escaped = septets.decode("latin-1").split(chr(ESCAPE))
    return head.translate(_FROM_BASIC) + "".join(
        tail[:1].translate(_FROM_ESCAPED) + tail[1:].translate(_FROM_BASIC)
        for tail in escaped
    )


class Smart(msgspec.Struct, frozen=True, gc=False):
    """
    A text after smart encoding.

    ``unmapped`` holds each character, once and in order, that keeps it out of GSM-7;
    if there is none, ``text`` is GSM-7.
    """

    text: str
    unmapped: str = ""


def smart_encode(text: str) -> Smart:
    """
    Bring ``text`` into GSM-7 by neighbours that read the same, or leave it alone.

    NFC comes first (``e`` + U+0301 is ``é``), then quotation marks, dashes, ellipsis,
    spaces, zero-width characters and the like. Nothing becomes ``?``. If anything is
    left over the text travels in UCS-2 anyway, where typography costs nothing and
    joiners carry meaning (emoji, Persian), so it then stays as it was but for NFC.
    """
    if _is_gsm7(text):
        return Smart(text)
    composed = unicodedata.normalize("NFC", text)
    plain = _outside.sub(lambda match: _NEIGHBOUR_OF.get(match[0], match[0]), composed)
    unmapped = "".join(dict.fromkeys(_outside.findall(plain)))
    return Smart(composed, unmapped) if unmapped else Smart(plain)
