"""Offsets: the committed one never passes an unfinished event (invariant I8)."""

from hypothesis import given, strategies as st

from batchwire.events.offsets import Tracker


@given(st.data())
def test_the_position_is_that_of_the_lowest_unfinished_offset(
    data: st.DataObject,
) -> None:
    offsets = sorted(data.draw(st.sets(st.integers(0, 60), min_size=1)))
    order = data.draw(st.permutations(offsets))
    tracker = Tracker()
    for offset in offsets:
        tracker.received(offset, 0)
    position: int | None = None
    left = list(offsets)
    for offset in order:
        position = tracker.finished(offset) or position
        left.remove(offset)
        if position is not None:
            assert all(one >= position for one in left)
        lower = [one for one in offsets if not left or one < left[0]]
        assert position == (lower[-1] + 1 if lower else None)
        assert tracker.unfinished == len(left)


def test_what_is_received_later_is_waited_for() -> None:
    tracker = Tracker()
    tracker.received(0, 0)
    assert tracker.finished(0) == 1
    tracker.received(5, 0)
    tracker.received(6, 0)
    assert tracker.finished(6) is None
    assert tracker.finished(5) == 7


def test_what_an_earlier_assignment_received_changes_nothing() -> None:
    tracker = Tracker()
    assert tracker.finished(4) is None
    tracker.received(4, 70)
    assert (tracker.finished(3), tracker.unfinished) == (None, 1)
    assert tracker.oldest_ms == 70
    assert tracker.finished(4) == 5
    assert tracker.finished(4) is None
    assert tracker.unfinished == 0
