# ruff: noqa: RUF001 - the look-alike characters are what is tested
"""Parts of a text: every vector of SMS-RULES.md, and the rules behind them."""

import pytest
from hypothesis import example, given, strategies as st

from batchwire.domain.encoding import Encoding, smart_encode, to_septets
from batchwire.domain.segments import (
    MAX_PARTS,
    Parts,
    ReferenceBits,
    count,
    count_all,
    split,
)

texts = st.text() | st.builds(
    str.__mul__, st.text("aé€[я😀’", min_size=1, max_size=9), st.integers(0, 400)
)
reference_bits = st.sampled_from([8, 16])


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        ("", "gsm7", 0, 1),
        ("a" * 160, "gsm7", 160, 1),
        ("a" * 161, "gsm7", 161, 2),
        ("a" * 306, "gsm7", 306, 2),
        ("a" * 307, "gsm7", 307, 3),
        ("€" * 80, "gsm7", 160, 1),
        ("€" * 81, "gsm7", 162, 2),
        ("a" * 152 + "[" + "a" * 152, "gsm7", 306, 3),
        ("]" * 153, "gsm7", 306, 3),
        ("я" * 70, "ucs2", 70, 1),
        ("я" * 71, "ucs2", 71, 2),
        ("я" * 134, "ucs2", 134, 2),
        ("я" * 135, "ucs2", 135, 3),
        ("😀" * 35, "ucs2", 70, 1),
        ("😀" * 36, "ucs2", 72, 2),
        ("😀" * 67, "ucs2", 134, 3),
        ("a" * 159 + "’", "ucs2", 160, 3),
        (smart_encode("a" * 159 + "’").text, "gsm7", 160, 1),
        ("я" + "€" * 69, "ucs2", 70, 1),
        ("Ω" * 160, "gsm7", 160, 1),
    ],
)
def test_a_text_takes_the_parts_of_the_trade(
    text: str, encoding: str, units: int, parts: int
) -> None:
    assert count(text) == Parts(Encoding(encoding), units, parts)
    assert count_all([text]) == bytes([parts])
    assert len(split(text)) == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 304, 2),
        ("a" * 306, 3),
        ("я" * 70, 1),
        ("я" * 132, 2),
        ("я" * 134, 3),
    ],
)
def test_a_16_bit_reference_leaves_152_septets_or_66_units(
    text: str, parts: int
) -> None:
    assert count(text, reference_bits=16).parts == parts
    assert count_all([text], reference_bits=16) == bytes([parts])
    assert len(split(text, reference_bits=16)) == parts


def test_parts_are_packed_around_an_escape_pair() -> None:
    first, second = "a" * 152, "[" + "b" * 151
    assert split(first + second + "c") == [first, second, "c"]


def test_parts_are_packed_around_a_surrogate_pair() -> None:
    first, second = "я" * 66, "😀" + "ю" * 65
    assert split(first + second + "ц") == [first, second, "ц"]


@given(texts, reference_bits)
@example("\ud83d" * 80, 8)
def test_parts_join_to_the_text_and_each_fits(text: str, bits: ReferenceBits) -> None:
    parts = split(text, reference_bits=bits)
    counted = count(text, reference_bits=bits)
    assert "".join(parts) == text
    assert len(parts) == counted.parts
    sizes = [units_of(part, counted.encoding) for part in parts]
    assert sum(sizes) == counted.units
    assert max(sizes) <= ROOM[counted.encoding, bits if len(parts) > 1 else 0]


@given(st.lists(texts), reference_bits)
@example(["a\0b", "a" * 161, "Ł" * 71], 8)
@example(["a" * 160, "a" * 161], 8)
def test_counting_all_is_counting_each(chunk: list[str], bits: ReferenceBits) -> None:
    parts = count_all(chunk, reference_bits=bits)
    assert list(parts) == [
        min(count(text, reference_bits=bits).parts, MAX_PARTS) for text in chunk
    ]


@pytest.mark.parametrize("char", ["a", "€", "я"])
def test_more_parts_than_a_header_can_count_are_none_in_the_byte_only(
    char: str,
) -> None:
    text = char * (153 * 256)
    assert count_all([text, "a"]) == bytes([0, 1])
    assert count(text).parts > MAX_PARTS


def test_as_many_parts_as_a_header_can_count_can_be_sent() -> None:
    assert count_all(["a" * (153 * 255), "a" * (153 * 255 + 1)]) == bytes([255, 0])


ROOM = {
    (Encoding.GSM7, 0): 160,
    (Encoding.GSM7, 8): 153,
    (Encoding.GSM7, 16): 152,
    (Encoding.UCS2, 0): 70,
    (Encoding.UCS2, 8): 67,
    (Encoding.UCS2, 16): 66,
}


def units_of(text: str, encoding: Encoding) -> int:
    if encoding is Encoding.GSM7:
        return len(to_septets(text) or "")
    return sum(2 if char > "\uffff" else 1 for char in text)
