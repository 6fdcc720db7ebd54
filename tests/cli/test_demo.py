"""The demo: real processes, and numbers that must add up."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from batchwire.cli import demo_list
from batchwire.domain.recipient import normalise

Start = Callable[..., Popen[str]]


def test_the_list_has_the_flaws_that_it_says(folder: Path) -> None:
    made = demo_list.make(folder / "people.csv")
    rows = (folder / "people.csv").read_text(encoding="utf-8").splitlines()[1:]
    found = normalise([row.split(",")[0] for row in rows], "DE")
    usable = [n for at, n in enumerate(found.numbers) if at not in found.invalid]
    assert len(rows) == made.lines
    assert len(found.invalid) == made.invalid
    assert len(usable) - len(set(usable)) == made.duplicates


@pytest.mark.timeout(120)
def test_the_demo_adds_up(start: Start) -> None:
    demo = start("demo", "--json")
    out, steps = demo.communicate(timeout=110)
    assert demo.returncode == 0, steps
    sums = json.loads(out)
    assert sums["wrong"] == []
    assert sum(sums["counts"].values()) == sums["recipients"] == demo_list.LINES
    assert sums["accepted_twice_by_provider"] == 0
    assert "$ batchwire pause spring" in steps
