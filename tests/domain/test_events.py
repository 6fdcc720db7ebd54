"""Events fold to the state, and their hashes chain."""

from datetime import timedelta

import msgspec
import pytest

from batchwire.domain.events import GENESIS, Event, EventType, State, fold, step
from batchwire.domain.lifecycle import Phase, Status
from batchwire.testing.builders import NOON

FIRST = Event(
    batch_id="b1",
    sequence=1,
    type=EventType.REQUEST,
    at=NOON,
    data={"user_id": "ann"},
    delta={"status": "scheduled"},
)
SECOND = msgspec.structs.replace(
    FIRST,
    sequence=2,
    type=EventType.STATUS,
    at=NOON + timedelta(seconds=1),
    delta={"status": "delivery_running", "phase": "delivery", "parts": 7},
)


def test_folding_applies_the_deltas_in_order() -> None:
    state = fold([FIRST, SECOND])
    assert state == State(
        status=Status.DELIVERY_RUNNING,
        phase=Phase.DELIVERY,
        sequence=2,
        parts=7,
        updated_at=SECOND.at,
    )


def test_folding_by_steps_gives_the_same_bytes() -> None:
    stepped = step(step(State(), FIRST), SECOND)
    assert stepped.encode() == fold([FIRST, SECOND]).encode()


def test_a_state_read_back_encodes_to_the_same_bytes() -> None:
    encoded = fold([FIRST, SECOND]).encode()
    assert msgspec.json.decode(encoded, type=State).encode() == encoded


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_id", "b2"),
        ("sequence", 3),
        ("type", EventType.NOTE),
        ("at", NOON + timedelta(microseconds=1)),
        ("data", {"user_id": "eve"}),
        ("delta", {"status": "aborted"}),
    ],
)
def test_every_field_is_in_the_hash(field: str, value: object) -> None:
    changed = msgspec.structs.replace(FIRST, **{field: value})
    assert changed.digest(GENESIS) != FIRST.digest(GENESIS)


def test_the_hash_covers_the_hash_before() -> None:
    first = FIRST.digest(GENESIS)
    assert SECOND.digest(first) != SECOND.digest(GENESIS)
    assert len(first) == len(GENESIS)


def test_the_order_of_keys_does_not_matter() -> None:
    turned = msgspec.structs.replace(
        SECOND, delta=dict(reversed(list(SECOND.delta.items())))
    )
    assert turned.digest(GENESIS) == SECOND.digest(GENESIS)
