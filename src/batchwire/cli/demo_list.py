"""The demo's list: 10,000 lines with the flaws that real lists have."""

import csv
import random
from pathlib import Path

import msgspec

LINES = 10_000
INVALID = 150
DUPLICATES = 200
_OTHER_SPELLING = 0.2

_NAMES = ("Anna", "Ben", "Chloé", "David", "Emma", "Jürgen", "Marie", "Tom")
_NAMES_OUTSIDE_GSM7 = ("Łukasz", "Nguyễn", "Ольга", "李雷", "Zoë ☺")
_SHARE_OUTSIDE = 0.04
_BAD_NUMBERS = ("", "+49", "call me", "+49 151 CALL-NOW", "+4915", "n/a")
_SPELLINGS = (
    "00491512{0:07}",
    "01512{0:07}",
    "+49 1512 {0:07}",
    "+49 (0)1512-{0:07}",
    "0 1512 / {0:07}",
)


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What was put into the list, to compare with what is found."""

    lines: int
    invalid: int
    duplicates: int


def make(path: Path, seed: int = 1) -> Made:
    """Write the list as CSV with the columns to, name and code."""
    chance = random.Random(seed)  # noqa: S311 - a demo, not a secret
    usable = LINES - INVALID - DUPLICATES
    people = list(range(usable))
    twice = chance.sample(people, DUPLICATES)
    numbers = [_spelt(person, chance) for person in people + twice]
    numbers += [chance.choice(_BAD_NUMBERS) for _ in range(INVALID)]
    chance.shuffle(numbers)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["to", "name", "code"])
        for number in numbers:
            code = f"{chance.randrange(10**6):06}"
            rows.writerow([number, _name(chance), code])
    return Made(lines=LINES, invalid=INVALID, duplicates=DUPLICATES)


def _spelt(person: int, chance: random.Random) -> str:
    if chance.random() < _OTHER_SPELLING:
        return chance.choice(_SPELLINGS).format(person)
    return f"+491512{person:07}"


def _name(chance: random.Random) -> str:
    is_outside = chance.random() < _SHARE_OUTSIDE
    return chance.choice(_NAMES_OUTSIDE_GSM7 if is_outside else _NAMES)
