# ruff: noqa: RUF001 - the look-alike characters are what is tested
"""Numbers: one person is one number, and libphonenumber agrees."""

import re

import phonenumbers
import pytest
from hypothesis import assume, example, given, strategies as st
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)

from batchwire.domain import recipient
from batchwire.domain.recipient import Normalised, check_region, normalise
from batchwire.errors import MalformedMessage

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
MANY = [
    "AR",
    "AU",
    "BR",
    "CA",
    "CI",
    "CN",
    "DE",
    "FR",
    "GB",
    "IN",
    "IT",
    "JE",
    "JP",
    "KZ",
    "MX",
    "NG",
    "NO",
    "RU",
    "US",
    "ZA",
]
LINE_ENDS = ["\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"]
LEADING_ZERO = {39, 225, 226, 229, 241, 242, 250, 378, 992}
MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


def read(text: str, region: str | None = None) -> str:
    """Return the E.164 number or the flaw of one text."""
    result = normalise([text], region)
    return result.invalid.get(0, result.numbers[0])


@pytest.mark.parametrize(
    "text",
    [
        "+491711234567",
        "+49 171 1234567",
        "0049171/1234567",
        "00 49 (0) 171 - 123.45.67",
        "491711234567",
        "49 171 1234567",
        "+49 (0)171 1234567",
        "+4901711234567",
        "4901711234567",
        "(+49) 171 1234567",
        "tel:+49-171-1234567",
        "TEL:+491711234567",
        "  +49\xa0171\u202f1234567\t\r\n",
        "\u202a+49 171 1234567\u202c",
        "+49\u2011171\u20131234567",
        "491711234567.0",
        "491711234567.0\r",
        "491711234567.0 \u00a0",
        "491711234567.00",
        "'+49 171 1234567",
        "’491711234567",
        "+49 171 123'45'67",
    ],
)
@pytest.mark.parametrize("region", [None, "DE", "de"])
def test_every_spelling_of_a_person_is_one_number(
    text: str, region: str | None
) -> None:
    assert read(text, region) == "+491711234567"


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("0171 1234567", "DE", "+491711234567"),
        ("1711234567", "DE", "+491711234567"),
        ("07911 123456", "GB", "+447911123456"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("1-212-555-0123", "US", "+12125550123"),
        ("011 49 171 1234567", "US", "+491711234567"),
        ("0011 49 171 1234567", "AU", "+491711234567"),
        ("8 916 123-45-67", "RU", "+79161234567"),
        ("8 10 49 171 1234567", "RU", "+491711234567"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("06 12345678", "IT", "+390612345678"),
        ("393 1234567", "IT", "+393931234567"),
        ("+39 06 1234 5678", None, "+390612345678"),
        ("9171234567", "IN", "+919171234567"),
        ("919171234567", "IN", "+919171234567"),
        ("07 12 34 56 78", "CI", "+2250712345678"),
        ("+44 (0)20 7946 0018", None, "+442079460018"),
        ("00 49 171 1234567", "US", "+491711234567"),
        ("0049 171 1234567", "SG", "+491711234567"),
        ("0065 8123 4567", "SG", "+6581234567"),
        ("001 65 8123 4567", "SG", "+6581234567"),
        ("0086 138 0013 8000", "HK", "+8613800138000"),
        ("00852 5123 4567", "HK", "+85251234567"),
        ("0055 11 96123-4567", "BR", "+5511961234567"),
        ("0021 44 20 7946 0018", "BR", "+442079460018"),
        ("0082 10-2000-0000", "KR", "+821020000000"),
        ("0066 81 234 5678", "TH", "+66812345678"),
        ("0011 47 92 34 56 78", "AU", "+4792345678"),
        ("0011 65 9234 5678", "AU", "+6592345678"),
        ("001 1 268 481 0662", "MN", "+12684810662"),
        ("+250 (0)784 999 622", None, "+250784999622"),
        ("+250 06 123 456", None, "+25006123456"),
        ("+241 (0)74 12 34 56", None, "+24174123456"),
        ("+7 (8) 988 032-02-59", None, "+79880320259"),
        ("+375 80 29 123 45 67", None, "+375291234567"),
        ("+49.30.12345.0", None, "+4930123450"),
        ("49 171 1234567", "DE", "+491711234567"),
    ],
)
def test_a_national_number_is_read_as_dialled_in_its_region(
    text: str, region: str | None, number: str
) -> None:
    assert read(text, region) == number


@pytest.mark.parametrize(
    "digits",
    ["٠١٧١١٢٣٤٥٦٧", "۰۱۷۱۱۲۳۴۵۶۷", "०१७१ १२३४५६७", "０１７１－１２３４５６７"],
)
def test_digits_of_other_scripts_are_digits(digits: str) -> None:
    assert read(digits, "DE") == "+491711234567"
    assert read(digits.replace(digits[0], "＋４９", 1)) == "+491711234567"


@pytest.mark.parametrize(
    ("text", "region", "flaw"),
    [
        ("", None, "empty"),
        (" \t\xa0\n", "DE", "empty"),
        ("--", "DE", "empty"),
        ("tel:", None, "empty"),
        ("+49171123456O", None, "letters"),
        ("1-800-FLOWERS", "US", "letters"),
        ("+49 171 1234567 ext. 5", None, "letters"),
        ("4.91711E+11", None, "letters"),
        ("tel:" * 100_000, None, "letters"),
        ("+49171#1234567", None, "characters"),
        ("++491711234567", None, "characters"),
        ("491711234567+", None, "characters"),
        ("+491711234567\n+491711234568", None, "characters"),
        ("+49\n171 1234567", None, "characters"),
        *((f"+49171{end}1234567", "DE", "characters") for end in LINE_ENDS),
        ("+491711234567, +491711234568", None, "characters"),
        ("+491711234567\x00", None, "characters"),
        ("+", None, "characters"),
        ("+123456", None, "too_short"),
        ("+12-3456", "US", "too_short"),
        ("12345", None, "too_short"),
        ("110", "DE", "too_short"),
        ("1", "DE", "too_short"),
        ("555-0123", "US", "too_short"),
        ("00", "DE", "too_short"),
        ("+1234567890123456", None, "too_long"),
        ("+49 (0)30 123456789012", None, "too_long"),
        ("1234567890123456", None, "too_long"),
        ("1" * 1000, "DE", "too_long"),
        ("49 171 1234567", "GB", "too_long"),
        ("0171 1234567", None, "no_region"),
        ("171 1234567", None, "no_region"),
        ("2125550123", None, "no_region"),
        ("+0171 1234567", None, "not_possible"),
        ("+210 0123456", None, "not_possible"),
        ("001 47 92345678", "HK", "not_possible"),  # +1 479…, or by 001 to Norway
        ("009 1 264 469 9915", "NG", "not_possible"),
        ("0065(0)80690625", "SG", "not_possible"),  # ours misspelt, or by 006
        ("+1 212 555 1234-5", None, "too_long"),
        ("003064794", "TJ", "too_short"),  # digits of a mobile, but behind 00
    ],
)
def test_an_unusable_number_has_a_reason(
    text: str, region: str | None, flaw: str
) -> None:
    assert read(text, region) == flaw


def test_a_chunk_keeps_its_positions_and_shows_what_was_given() -> None:
    given_numbers = ["+491711234567", "nobody", "0049171 1234567", "x" * 100]
    assert normalise(given_numbers, None) == Normalised(
        ["+491711234567", "nobody", "+491711234567", "x" * 64],
        {1: "letters", 3: "letters"},
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  call\x1b[31m\r\nme\x00 ", "call [31m  me"),
        ("a\u202eb\u2028c\xa0d", "a b c d"),
        (" " * 100 + "Zoë", "Zoë"),
        ("\n", ""),
    ],
)
def test_an_invalid_number_is_shown_on_one_harmless_line(text: str, shown: str) -> None:
    assert normalise([text], None).numbers == [shown]


def test_no_numbers_are_no_numbers() -> None:
    assert normalise([], "DE") == Normalised([], {})


def test_the_given_list_is_not_changed() -> None:
    raw = ["0171 1234567", "x"]
    normalise(raw, "DE")
    assert raw == ["0171 1234567", "x"]


@given(
    st.lists(
        st.text("+0149 -x\n٣\0")
        | st.text()
        | st.sampled_from(["+491711234567", "0171 1234567", "0049171-1234567"])
    ),
    st.sampled_from([None, *MANY]),
)
@example(["+491711234567\n+491711234567"], None)
def test_a_chunk_is_read_as_each_of_its_numbers(
    raw: list[str], region: str | None
) -> None:
    result = normalise(raw, region)
    assert [read(text, region) for text in raw] == [
        result.invalid.get(at, number) for at, number in enumerate(result.numbers)
    ]
    valid = [n for at, n in enumerate(result.numbers) if at not in result.invalid]
    assert normalise(valid, None) == Normalised(valid, {})
    assert all(n[0] == "+" and 7 <= len(n[1:]) <= 15 for n in valid)
    shown = [result.numbers[at] for at in result.invalid]
    assert all(len(text) <= 64 and (text.isprintable() or not text) for text in shown)


@given(region=st.sampled_from(REGIONS), data=st.data())
def test_a_number_in_e_164_is_taken_as_it_is(region: str, data: st.DataObject) -> None:
    number = draw_number(region, data)
    assert read(number) == number


@given(region=st.sampled_from(REGIONS), data=st.data())
def test_a_short_cut_for_mobile_numbers_leads_to_where_the_long_way_does(
    region: str, data: st.DataObject
) -> None:
    plan = recipient._plan(region)  # noqa: SLF001 - the answer alone does not say which
    never = re.compile("(?!)")
    assume(plan.mobile.pattern != never.pattern)
    code, ascii_only = plan.code, re.compile(plan.mobile.pattern, re.ASCII)
    number = data.draw(st.from_regex(ascii_only, fullmatch=True))
    before = ["", "0", "1", "8", *(way + code for way in ("", "+", "00", "0", "011"))]
    text = data.draw(st.sampled_from(before)) + number
    (mobile,) = plan.mobiles([text])
    assert mobile in {"", recipient._read(text, plan)}  # noqa: SLF001


@given(region=st.sampled_from(REGIONS), data=st.data())
def test_every_format_of_libphonenumber_is_read_back(
    region: str, data: st.DataObject
) -> None:
    parsed = phonenumbers.parse(draw_number(region, data))
    number = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    for style in (PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.RFC3966):
        assert read(phonenumbers.format_number(parsed, style)) == number
    from_abroad = phonenumbers.format_out_of_country_calling_number(parsed, "DE")
    assert read(from_abroad, "DE") == number
    at_home = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
    assert read(at_home, region) == library(at_home, region)


@given(region=st.sampled_from(MANY), data=st.data())
def test_national_numbers_are_read_as_libphonenumber_reads_them(
    region: str, data: st.DataObject
) -> None:
    digits = data.draw(dialled(region))
    # After an international prefix our own rule holds: any E.164 may follow.
    assume(not abroad(digits, region) and not digits.startswith("00"))
    code = str(phonenumbers.country_code_for_region(region))
    own = library(f"+{digits}", None)
    if (
        digits.startswith(code)
        and is_mobile(own, region)
        and not is_mobile(f"+{code}{digits}", region)
    ):
        assert read(digits, region) == own  # 49171… is no German 0491 71…
    else:
        expected = library(digits, region)
        actual = read(digits, region)
        assert actual == expected or (not expected and actual[0] != "+")


@given(region=st.sampled_from(MANY), data=st.data())
def test_bare_digits_are_international_when_libphonenumber_knows_the_number(
    region: str, data: st.DataObject
) -> None:
    code = str(phonenumbers.country_code_for_region(region))
    digits = code + data.draw(dialled(region))
    number = library(f"+{digits}", None)
    known = number and phonenumbers.is_valid_number(phonenumbers.parse(number))
    if known and len(digits) <= 15:
        assert read(digits) == number
    else:
        assert read(digits) in {number, "no_region", "too_long", "too_short"}


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_is_one(region: str) -> None:
    assert check_region(f" {region.lower()} ") == region
    assert read("0", region) == "too_short"


@pytest.mark.parametrize(
    ("region", "hint"),
    [
        ("UK", "GB"),
        ("DEU", "DE"),
        ("+49", "DE"),
        ("", "ISO 3166-1"),
        ("Germany", "two letters"),
        ("9" * 10_000, "ISO 3166-1"),
    ],
)
def test_an_unknown_region_is_refused_with_what_is_near(region: str, hint: str) -> None:
    with pytest.raises(MalformedMessage, match=hint) as caught:
        check_region(region)
    assert caught.value.field == "default_region"
    assert len(str(caught.value)) < 200
    with pytest.raises(MalformedMessage):
        normalise(["+491711234567"], region)


def metadata(region: str) -> PhoneMetadata:
    found = PhoneMetadata.metadata_for_region(region)
    assert found
    return found


def patterns(region: str) -> list[str]:
    """Return the patterns of mobile and fixed-line numbers of a region."""
    plan = metadata(region)
    return [
        kind.national_number_pattern
        for kind in (plan.mobile, plan.fixed_line)
        if kind and kind.national_number_pattern
    ]


def draw_number(region: str, data: st.DataObject) -> str:
    """Draw a valid number of the region, in E.164."""
    pattern = data.draw(st.sampled_from(patterns(region)))
    rest = data.draw(st.from_regex(pattern, fullmatch=True, alphabet="0123456789"))
    number = f"+{phonenumbers.country_code_for_region(region)}{rest}"
    assume(library(number, None))
    return number


def dialled(region: str) -> st.SearchStrategy[str]:
    """Return digits as people of the region may write them, right and wrong."""
    code = str(phonenumbers.country_code_for_region(region))
    prefix = metadata(region).national_prefix or ""
    starts = st.sampled_from(["", prefix, "0", code, code + prefix, code + "0", "9"])
    rest = [
        st.from_regex(pattern, fullmatch=True, alphabet="0123456789")
        for pattern in patterns(region)
    ]
    noise = st.text("0123456789", min_size=1, max_size=14)
    return st.tuples(starts, st.one_of(*rest, noise)).map("".join)


def library(text: str, region: str | None) -> str:
    """
    Return what libphonenumber alone makes of a text.

    Empty if that is not possible, or keeps a 0 that the country's numbers do not have.
    """
    try:
        parsed = phonenumbers.parse(text, region)
    except NumberParseException:
        return ""
    number = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    possible = phonenumbers.is_possible_number_with_reason(parsed)
    if possible != ValidationResult.IS_POSSIBLE or not 7 <= len(number[1:]) <= 15:
        return ""
    has_trunk_0 = phonenumbers.national_significant_number(parsed).startswith("0")
    return "" if has_trunk_0 and parsed.country_code not in LEADING_ZERO else number


def abroad(digits: str, region: str) -> bool:
    try:
        parsed = phonenumbers.parse(digits, region, keep_raw_input=True)
    except NumberParseException as error:
        return error.error_type != NumberParseException.TOO_LONG
    source = parsed.country_code_source
    return source == phonenumbers.CountryCodeSource.FROM_NUMBER_WITH_IDD


def is_mobile(number: str, region: str) -> bool:
    if not number:
        return False
    parsed = phonenumbers.parse(number)
    if not phonenumbers.is_valid_number_for_region(parsed, region):
        return False
    return phonenumbers.number_type(parsed) in MOBILE
