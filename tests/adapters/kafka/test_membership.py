"""Which positions are stored, and how far behind a member is."""

import json

import pytest

from batchwire.adapters.kafka.membership import Membership
from batchwire.domain.record import Partition, Place, Record

HERE = Partition("t", 0)


def read(membership: Membership, *offsets: int) -> None:
    membership.received(
        [
            Record(key=None, value=b"", place=Place(HERE.topic, HERE.number, offset))
            for offset in offsets
        ]
    )


@pytest.fixture
def membership() -> Membership:
    membership = Membership("t")
    membership.assigned([HERE.number])
    return membership


def test_what_was_received_and_finished_is_stored_once(membership: Membership) -> None:
    read(membership, 7, 8)
    membership.finish({HERE: 9})
    assert membership.take_finished() == [(0, 9)]
    assert membership.take_finished() == []


def test_a_position_never_goes_back(membership: Membership) -> None:
    read(membership, 7, 8)
    membership.finish({HERE: 9})
    membership.take_finished()
    membership.finish({HERE: 8})
    assert membership.take_finished() == []


def test_a_position_that_was_not_received_is_ignored(membership: Membership) -> None:
    read(membership, 7)
    membership.finish({HERE: 9})
    assert membership.take_finished() == []


def test_a_partition_that_is_not_ours_is_ignored(membership: Membership) -> None:
    membership.finish({Partition("t", 1): 1})
    assert membership.take_finished() == []


def test_what_was_finished_before_the_partition_went_away_is_ignored_after(
    membership: Membership,
) -> None:
    read(membership, 7, 8)
    membership.gone([HERE.number])
    membership.finish({HERE: 9})
    membership.assigned([HERE.number])
    assert membership.take_finished() == []


@pytest.mark.parametrize(
    ("app", "committed", "low", "lag"),
    [
        (40, 30, 0, 10),  # received
        (-1001, 30, 0, 20),  # nothing received yet: from what was committed on
        (-1001, -1001, 5, 45),  # nothing committed either: from the earliest on
        (51, 30, 0, 0),  # statistics are a second old
    ],
)
def test_the_lag_is_what_was_not_received(
    membership: Membership, app: int, committed: int, low: int, lag: int
) -> None:
    part = {
        "lo_offset": low,
        "ls_offset": 50,
        "app_offset": app,
        "committed_offset": committed,
    }
    told = {
        "topics": {"t": {"partitions": {"0": part, "1": part, "-1": part}}},
        "cgrp": {"state": "up", "join_state": "steady"},
    }
    membership.on_statistics(json.dumps(told))
    assert membership.state.lag == {HERE: lag}
    assert membership.state.is_joined


def test_a_member_without_its_coordinator_has_not_joined(
    membership: Membership,
) -> None:
    told = {"topics": {}, "cgrp": {"state": "wait-coord", "join_state": "steady"}}
    membership.on_statistics(json.dumps(told))
    assert not membership.state.is_joined
