"""Whose turn it is: the oldest never waits, and the urgent do not wait for others."""

from datetime import timedelta

import pytest

from batchwire.domain.batch import Batch
from batchwire.domain.counts import ZERO
from batchwire.domain.events import State
from batchwire.domain.turns import to_prepare
from batchwire.testing.builders import NOON, spec


def batch(name: str, age_s: int, priority: int) -> Batch:
    created_at = NOON - timedelta(seconds=age_s)
    return Batch(
        spec=spec(name, created_at=created_at, priority=priority),
        state=State(),
        counts=ZERO,
        parts=0,
        limited_by="",
        resume_at=None,
    )


WAITING = [
    batch("new and urgent", 1, 10),
    batch("old", 30, 1),
    batch("oldest", 40, 1),
    batch("urgent", 20, 10),
    batch("usual", 10, 5),
]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, ["oldest"]),
        (2, ["oldest", "urgent"]),
        (3, ["oldest", "urgent", "new and urgent"]),
        (9, ["oldest", "urgent", "new and urgent", "usual", "old"]),
    ],
)
def test_the_oldest_is_prepared_and_the_most_urgent_beside_it(
    most: int, expected: list[str]
) -> None:
    chosen = to_prepare(WAITING, most)
    assert [one.spec.batch_id for one in chosen] == expected


def test_where_nobody_waits_nobody_is_chosen() -> None:
    assert to_prepare([], 2) == []
