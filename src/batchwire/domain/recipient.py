"""
Telephone numbers of a list, brought to E.164 (``+`` and 7 … 15 digits), by the chunk.

Two spellings of one number must become one, or a person gets two messages:

- ``+49 171 …``, ``0049 171 …``, ``+49 (0)171 …``, ``tel:+49-171-…`` are international.
  So are digits after the default region's own international prefix (``011`` in the US);
  where that begins with ``00`` too, the reading that is a valid number.
- Without a default region bare digits count as international if libphonenumber knows
  such a number (``49171…``); anything else is national, and nobody knows where.
- With a default region bare digits are read as they are dialled there; with the
  region's country code in front if that gives a mobile number. Foreign numbers without
  a prefix are invalid then: the guess could send to a stranger.

What is in E.164 already is taken as it is. Whether a number is assigned, only the
provider knows; of other spellings we ask that the length exists in the country.
Digits of other scripts count as digits. Letters do not, nor are they dialled (no
1-800-FLOWERS), and nothing is cut off (no extensions). What spans lines is no number:
two may stand there.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from typing import cast

import msgspec
import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumberDesc,
    PhoneNumberFormat,
    ValidationResult,
)

from batchwire.domain.printable import printable
from batchwire.errors import MalformedMessage


class Flaw(StrEnum):
    """Why a number cannot be used."""

    EMPTY = "empty"  # nothing, or nothing but spaces and separators
    LETTERS = "letters"  # a letter anywhere
    CHARACTERS = "characters"  # others, a second +, or a line end between digits
    TOO_SHORT = "too_short"  # for E.164 or its country, or without the area code
    TOO_LONG = "too_long"  # for E.164 or its country
    NO_REGION = "no_region"  # a national number, and no default region
    NOT_POSSIBLE = "not_possible"  # no such country code, or no such length in it


class Normalised(msgspec.Struct, frozen=True):
    """
    A chunk of numbers after normalisation, position by position.

    ``numbers`` are E.164; where ``invalid`` has a ``Flaw``, what was given is shown
    instead: on one line, printable, at most 64 characters.
    """

    numbers: list[str]
    invalid: dict[int, str]


MIN_DIGITS = 7
"""Shorter is a short code or a mistake: no country code and number fit in."""

MAX_DIGITS = 15
"""ITU-T E.164, chapter 6.1."""

_SHOWN = 64

# A 0 right after the country code is the national trunk prefix (`+44 (0)20 …`), not
# E.164, except where national numbers do begin with 0, and then in their length. The
# first branch is a short cut (0.05 instead of 0.09 µs): without a 0 in the first four
# digits there is none.
_E164 = (
    r"\+(?:[1-9]{4}[0-9]{3,11}+"
    r"|(?=[0-9]{7,15}+(?![0-9]))"
    r"(?>[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[2-9][0-9]{2})"
    r"(?:[1-9]|(?<=\+39)0|(?<=\+(?:378|881|992))0|(?<=\+250)0(?=6)"
    r"|(?<=\+22[59])0(?=[0-9]{9}\b)|(?<=\+242)0(?=[0-9]{8}\b)"
    r"|(?<=\+(?:226|241))0(?=[0-9]{7}\b))[0-9]++)"
)
_is_e164 = re.compile(_E164).fullmatch
_runs_of_e164 = re.compile(rf"((?:{_E164}\n)*+)(?:[^\n]*\n|\Z)").findall

# A spreadsheet makes 491711234567.0 or .00 of a number; a zero more would be a
# stranger's. Behind another dot that is a group; two digits may be one as well, but not
# the only one.
_END = r"(?=(?:[^\S\n]|[\u200b-\u200f\u2060\ufeff])*$)"
_decimals = re.compile(
    rf"^([^.\n]*)\.0{_END}|^(\+?[0-9]{{7,}})\.00{_END}", re.MULTILINE
)

_is_dialled = re.compile(r"\+?[0-9]++").fullmatch
_SEPARATORS = (  # no line ends; exports put an apostrophe before what begins with +
    " \t-.()/'\u2019\xa0\xad\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2010\u2011\u2012\u2013\u2014"
    "\u2015\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2066\u2067"
    "\u2068\u2069\u2212\u3000\ufeff\uff08\uff09\uff0d"
)
# Where the ten digits of a script begin: Arabic, Persian, N'Ko, Devanagari, Bengali,
# Gurmukhi, Gujarati, Oriya, Tamil, Telugu, Kannada, Malayalam, Sinhala, Thai, Lao,
# Tibetan, Myanmar, Khmer, Mongolian, full width.
_ZEROS = (
    "\u0660\u06f0\u07c0\u0966\u09e6\u0a66\u0ae6\u0b66\u0be6\u0c66\u0ce6\u0d66\u0de6\u0e50"
    "\u0ed0\u0f20\u1040\u17e0\u1810\uff10"
)
_CLEAN: dict[int, str | None] = (
    dict.fromkeys(map(ord, _SEPARATORS))
    | {ord(zero) + digit: str(digit) for zero in _ZEROS for digit in range(10)}
    | {ord("\uff0b"): "+"}
    | {ord(char): char for char in "\n+0123456789"}  # to be missing would be slower
)


_NEVER = "(?!)"  # a pattern that matches nothing

_UNREADABLE = {
    NumberParseException.NOT_A_NUMBER: Flaw.TOO_SHORT,  # we pass on digits only
    NumberParseException.TOO_SHORT_AFTER_IDD: Flaw.TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: Flaw.TOO_SHORT,
    NumberParseException.TOO_LONG: Flaw.TOO_LONG,
}
_IMPOSSIBLE = {
    ValidationResult.TOO_SHORT: Flaw.TOO_SHORT,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: Flaw.TOO_SHORT,
    ValidationResult.TOO_LONG: Flaw.TOO_LONG,
}
_MEANT = {"UK": ["GB"], "EN": ["GB", "US"]}


def normalise(raw: Sequence[str], default_region: str | None) -> Normalised:
    """
    Bring a chunk of numbers to E.164; ``default_region`` is for national ones.

    Raises:
        MalformedMessage: there is no such region.
    """
    plan = None if default_region is None else _plan(check_region(default_region))
    lines = "\n".join(raw)
    if lines.count("\n") >= len(raw):  # one line a number: all below relies on it
        raw = [number.strip().replace("\n", "\r") for number in raw]
        lines = "\n".join(raw)
    numbers = list(raw)
    invalid: dict[int, str] = {}
    rest = _others(lines + "\n", len(raw))
    if not rest:
        return Normalised(numbers, invalid)
    texts = _clean([raw[at].strip() for at in rest])
    mobiles = plan.mobiles(texts) if plan else [""] * len(texts)
    for at, text, mobile in zip(rest, texts, mobiles, strict=True):
        number = mobile or _read(text, plan)
        if isinstance(number, Flaw):
            invalid[at] = number
            number = _show(raw[at])
        numbers[at] = number
    return Normalised(numbers, invalid)


def check_region(region: str) -> str:
    """
    Return ``region`` as two capitals (ISO 3166-1).

    Raises:
        MalformedMessage: libphonenumber knows no such region; names what is near.
    """
    code = region.strip().upper()
    if code in phonenumbers.SUPPORTED_REGIONS:
        return code
    raise MalformedMessage(
        field="default_region",
        problem=f"`{_show(region)}` is no region; give the two letters of ISO 3166-1, "
        f"such as {' or '.join(_near(code))}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """
    The numbering plan of one region, from libphonenumber's metadata.

    Reads what is plain for a tenth of the library's time and asks the library about
    the rest, so that the answer is the library's (the tests compare).
    """

    region: str
    code: str  # the country calling code
    abroad: re.Pattern[str]  # the international prefix, or 00; never before a 0
    trunk: re.Pattern[str]  # the national prefix
    general: re.Pattern[str]
    mobile: re.Pattern[str]
    lengths: frozenset[int]
    plain: re.Pattern[str]  # lines: mobile numbers as most lists have them; or others

    def mobiles(self, texts: Sequence[str]) -> list[str]:
        """Read what is plainly a mobile number, in one look; empty is what is not."""
        found = self.plain.findall("\n".join(texts))
        return [rest and f"+{self.code}{rest}" for rest in found]

    def read(self, digits: str) -> str:
        """Read ``digits`` as dialled in this region."""
        if abroad := self.abroad.match(digits):
            return self._from_abroad(digits, abroad.end())
        if digits.startswith(self.code):
            if not self.mobile.fullmatch(digits) and (own := self.own_mobile(digits)):
                return own
            if not self.general.fullmatch(digits):
                return _ask(digits, self.region)
        return self.national(digits) or _ask(digits, self.region)

    def _from_abroad(self, digits: str, end: int) -> str:
        """
        Read what begins with an international prefix, which ends at ``end``.

        Where a region dials carriers by it (``0021 44 …`` in Brazil), lists still have
        plain ``00``. Of the two readings the number is what alone is valid, and no other
        than our own where it may be ours.
        """
        read = _international("+" + digits[end:])
        if not digits.startswith("00") or end == len("00"):
            return read
        plain = "+" + digits[len("00") :]
        valid = set(filter(_is_valid, (plain, read)))
        may_be_ours = digits.startswith("00" + self.code)
        if len(valid) > 1 or (may_be_ours and plain not in valid):
            return Flaw.NOT_POSSIBLE
        return next(iter(valid), Flaw.NOT_POSSIBLE)

    def national(self, digits: str) -> str:
        """Read a national number; empty if it is not plain."""
        rest = self._strip(digits)
        number = f"+{self.code}{rest}"
        return number if len(rest) in self.lengths and _is_e164(number) else ""

    def own_mobile(self, digits: str) -> str:
        """Read a mobile number that begins with the country code; empty if it is none."""
        rest = self._strip(digits[len(self.code) :])
        return f"+{self.code}{rest}" if self.mobile.fullmatch(rest) else ""

    def _strip(self, digits: str) -> str:
        """Return ``digits`` without national prefix; empty if that is not plain."""
        match = self.trunk.match(digits)
        if not match:
            return digits
        rest = digits[match.end() :]
        # A group is a carrier code or needs rewriting: not plain.
        return rest if not match.lastindex and self.general.fullmatch(rest) else ""


@lru_cache(maxsize=256)  # there are 245 regions
def _plan(region: str) -> _Plan:
    metadata = _metadata(region)
    code = metadata.country_code or 0
    main = _metadata(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code][0])
    prefix = metadata.international_prefix or _NEVER
    abroad = re.compile(rf"(?>{prefix})(?!0)|00(?!0)")
    trunk = re.compile(metadata.national_prefix_for_parsing or _NEVER)
    mobile = _pattern(metadata.mobile)
    # How a number begins of which nothing has to be asked. A group is not plain.
    ways = [] if trunk.groups else [f"(?!{abroad.pattern})(?:{trunk.pattern})?+"]
    if main is metadata:
        ways += [rf"\+{code}"] + [f"00{code}"] * (prefix == "00")
    return _Plan(
        region=region,
        code=str(code),
        abroad=abroad,
        trunk=trunk,
        general=_pattern(metadata.general_desc),
        mobile=mobile,
        lengths=_lengths(metadata) & _lengths(main),
        plain=re.compile(
            f"^(?:(?:{'|'.join(ways or [_NEVER])})({mobile.pattern})|.*)$",
            re.ASCII | re.MULTILINE,
        ),
    )


def _metadata(region: str) -> PhoneMetadata:
    """Return the metadata of a region that ``check_region`` lets pass."""
    return cast("PhoneMetadata", PhoneMetadata.metadata_for_region(region))


def _pattern(kind: PhoneNumberDesc | None) -> re.Pattern[str]:
    return re.compile((kind and kind.national_number_pattern) or _NEVER)


def _lengths(metadata: PhoneMetadata) -> frozenset[int]:
    kind = metadata.general_desc
    return frozenset(kind.possible_length if kind else ())


def _others(lines: str, size: int) -> list[int]:
    """Return which of so many lines are not in E.164 yet, from 0."""
    runs = _runs_of_e164(lines)  # one before each of them, and before the end
    ends = accumulate([run.count("\n") + 1 for run in runs])
    return [end - 1 for end in ends if end <= size]


def _clean(raw: Sequence[str]) -> list[str]:
    """Drop separators and write digits in ASCII, for all at once; none has a newline."""
    lines = "\n".join(raw) + "\n"
    if ".0" in lines:
        lines = _decimals.sub(r"\1\2", lines)
    return lines.translate(_CLEAN).split("\n")[:-1]


def _read(text: str, plan: _Plan | None) -> str:
    """Return the E.164 number that the cleaned ``text`` means, or a ``Flaw``."""
    if not _is_dialled(text):
        if text[:4].lower() == "tel:":  # RFC 3966
            text = text[4:]
        if not _is_dialled(text):
            return _describe(text)
    if text[0] == "+":
        return _international(text)
    if plan:
        return plan.read(text)
    if text.startswith("00"):
        return _international("+" + text[2:])
    return _bare(text)


def _describe(text: str) -> Flaw:
    if not text:
        return Flaw.EMPTY
    return Flaw.LETTERS if any(map(str.isalpha, text)) else Flaw.CHARACTERS


def _international(number: str) -> str:
    plan = _plan_of(number)
    digits = number[1 + len(plan.code) :] if plan else ""
    # A number that the plan does not know may have a prefix or a digit too many.
    if _is_e164(number) and (not plan or plan.general.fullmatch(digits)):
        return number
    without_trunk = plan.national(digits) if plan else ""
    return without_trunk or _check_size(number) or _ask(number, None)


def _is_valid(number: str) -> bool:
    """Whether it is a valid number, with nothing in it that is to be left out."""
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:  # a flaw, or no country
        return False
    is_whole = phonenumbers.format_number(parsed, PhoneNumberFormat.E164) == number
    return is_whole and phonenumbers.is_valid_number(parsed)


def _bare(digits: str) -> str:
    """Read digits of which nobody says where they are dialled."""
    number = "+" + digits
    plan = _plan_of(number)
    if plan and (mobile := plan.own_mobile(digits)):
        return mobile
    if flaw := _check_size(number):
        return flaw
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return Flaw.NO_REGION
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    is_known = phonenumbers.is_valid_number(parsed) and _is_e164(e164)
    return e164 if is_known else Flaw.NO_REGION


def _plan_of(number: str) -> _Plan | None:
    """Return the plan of an international number; None if no country has the code."""
    return _plan_of_head(number[1:4])


@lru_cache(maxsize=1110)  # so many heads of one to three digits there are
def _plan_of_head(head: str) -> _Plan | None:
    for end in range(1, len(head) + 1):
        region = phonenumbers.region_code_for_country_code(int(head[:end]))
        if region in phonenumbers.SUPPORTED_REGIONS:
            return _plan(region)
    return None


def _ask(number: str, region: str | None) -> str:
    """Ask libphonenumber (10 … 20 µs)."""
    try:
        parsed = phonenumbers.parse(number, region)
    except NumberParseException as error:
        return _UNREADABLE.get(error.error_type, Flaw.NOT_POSSIBLE)
    possible = phonenumbers.is_possible_number_with_reason(parsed)
    if possible != ValidationResult.IS_POSSIBLE:
        return _IMPOSSIBLE.get(possible, Flaw.NOT_POSSIBLE)
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    return e164 if _is_e164(e164) else _check_size(e164) or Flaw.NOT_POSSIBLE


def _check_size(number: str) -> Flaw | None:
    digits = len(number) - 1
    if digits < MIN_DIGITS:
        return Flaw.TOO_SHORT
    return Flaw.TOO_LONG if digits > MAX_DIGITS else None


def _show(text: str) -> str:
    """Show ``text`` on one line, without what a terminal would act on."""
    return printable(text.strip()[:_SHOWN]).strip()


def _near(code: str) -> list[str]:
    """Name regions that ``code`` may stand for."""
    known = sorted(phonenumbers.SUPPORTED_REGIONS)
    calling = [
        r for r in known if f"+{phonenumbers.country_code_for_region(r)}" == code
    ]
    alike = difflib.get_close_matches(code, known, cutoff=0.5)
    return _MEANT.get(code) or calling[:3] or alike or ["DE", "GB", "US"]
