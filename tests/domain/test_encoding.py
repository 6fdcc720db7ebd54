# ruff: noqa: RUF001 - the look-alike characters are what is tested
"""GSM-7 and smart encoding (3GPP TS 23.038, SMS-RULES.md)."""

import unicodedata

import pytest
from hypothesis import example, given, strategies as st

from batchwire.domain.encoding import (
    ESCAPE,
    Smart,
    count_septets,
    from_septets,
    outside_basic,
    smart_encode,
    to_septets,
)

septets = st.integers(0, 127).filter(lambda septet: septet != ESCAPE)
texts = st.text() | st.text("aé\n€[]^Ω\0\x1b’Ł😀")


@pytest.mark.parametrize(
    ("char", "septet"),
    [
        ("@", 0x00),
        ("$", 0x02),
        ("Ç", 0x09),
        ("\n", 0x0A),
        ("\r", 0x0D),
        ("Δ", 0x10),
        ("É", 0x1F),
        (" ", 0x20),
        ("¤", 0x24),
        ("0", 0x30),
        ("¡", 0x40),
        ("A", 0x41),
        ("§", 0x5F),
        ("¿", 0x60),
        ("a", 0x61),
        ("à", 0x7F),
    ],
)
def test_a_basic_character_has_the_septet_of_the_standard(
    char: str, septet: int
) -> None:
    assert to_septets(char) == bytes([septet])


@pytest.mark.parametrize(
    ("char", "septet"),
    [
        ("\f", 0x0A),
        ("^", 0x14),
        ("{", 0x28),
        ("}", 0x29),
        ("\\", 0x2F),
        ("[", 0x3C),
        ("~", 0x3D),
        ("]", 0x3E),
        ("|", 0x40),
        ("€", 0x65),
    ],
)
def test_a_character_of_the_extension_table_is_escaped(char: str, septet: int) -> None:
    assert to_septets(char) == bytes([ESCAPE, septet])
    assert count_septets(char) == 2


@pytest.mark.parametrize("char", ["ç", "á", "`", "\t", "\x1b", "\0", "’", "я", "😀"])
def test_a_character_of_no_table_has_no_septets(char: str) -> None:
    assert to_septets(f"a{char}") is None
    assert count_septets(f"a{char}") is None


@given(st.lists(septets))
def test_the_basic_table_is_one_to_one(values: list[int]) -> None:
    assert to_septets(from_septets(bytes(values))) == bytes(values)


@given(texts)
@example("[€]")
def test_septets_decode_to_the_text_they_came_from(text: str) -> None:
    encoded = to_septets(text)
    assert encoded is None or from_septets(encoded) == text
    assert count_septets(text) == (None if encoded is None else len(encoded))


def test_an_unknown_escape_shows_as_its_basic_character() -> None:
    assert from_septets(bytes([ESCAPE, 0x41, 0x42])) == "AB"


@given(st.lists(texts))
@example(["a\0b", "c"])
@example(["\0"])
def test_a_text_with_nothing_outside_takes_one_septet_a_character(
    chunk: list[str],
) -> None:
    outside = outside_basic(chunk)
    assert len(outside) == len(chunk)
    for text, left in zip(chunk, outside, strict=True):
        assert left or count_septets(text) == len(text)


def test_western_european_text_is_not_outside_basic() -> None:
    assert outside_basic(["Müller & Søn, Málaga", "à ñ Ö ß £ ¿"]) == [b"\xe1", b""]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("“Hi” ‘you’ „da‚ «là»", '"Hi" \'you\' "da\' "là"'),
        ("a – b — c ‑ d − e", "a - b - c - d - e"),
        ("wait…", "wait..."),
        ("10\xa0€\u202f\u2003!", "10 €  !"),
        ("zero\u200bwidth\ufeff\u00ad", "zerowidth"),
        ("a\tb\u2028c", "a b\nc"),
        ("cafe\u0301", "café"),
        ("\u212bngstr\u00f6m \u2126", "Ångström Ω"),
        ("O`Neill", "O'Neill"),
        ("already fine: [€]", "already fine: [€]"),
        ("", ""),
    ],
)
def test_smart_encoding_reaches_gsm_7(text: str, plain: str) -> None:
    assert smart_encode(text) == Smart(plain)


@pytest.mark.parametrize(
    ("text", "unmapped"),
    [
        ("Łódź “ok” Ł", "Łóź"),
        ("Привет", "Привет"),
        ("año 👍", "👍"),
        ("garçon", "ç"),
        ("\x1b[31m\0", "\x1b\0"),
    ],
)
def test_what_smart_encoding_cannot_map_is_reported_once_and_left_alone(
    text: str, unmapped: str
) -> None:
    assert smart_encode(text) == Smart(text, unmapped)


def test_joiners_of_a_text_that_stays_ucs_2_are_kept() -> None:
    family = "👨\u200d👩\u200d👧 – “we”"
    assert smart_encode(family).text == family


@given(texts)
def test_smart_encoding_ends_in_gsm_7_or_says_why_not(text: str) -> None:
    smart = smart_encode(text)
    if smart.unmapped:
        assert smart.text == unicodedata.normalize("NFC", text)
        assert all(char in smart.text for char in smart.unmapped)
    else:
        assert to_septets(smart.text) is not None
    assert smart_encode(smart.text) == smart
