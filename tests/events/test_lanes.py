"""Lanes: one at a time and in order per key, whatever happens in which order."""

from collections import defaultdict, deque

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from batchwire.domain.record import Record
from batchwire.events.arrivals import Received
from batchwire.events.lanes import Item, Lanes


def item(key: bytes, size: int = 1, *, may_follow: bool = False) -> Item:
    record = Record(key=key, value=b"x" * size)
    received = Received(record, "id", key.decode(), None)
    return Item(received, key, may_follow=may_follow)


class LanesMachine(RuleBasedStateMachine):
    """Beside the lanes, a model: a queue a key, which heads run or rest, what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes()
        self.queues: defaultdict[bytes, deque[Item]] = defaultdict(deque)
        self.running: list[Item] = []
        self.resting: list[Item] = []
        self.written: list[Item] = []

    @rule(
        key=st.sampled_from([b"a", b"b", b"c"]),
        size=st.integers(0, 50),
        may_follow=st.booleans(),
    )
    def push(self, key: bytes, size: int, *, may_follow: bool) -> None:
        """Let a record come."""
        one = item(key, size, may_follow=may_follow)
        self.lanes.push(one)
        self.queues[key].append(one)

    @precondition(lambda self: self.lanes.has_ready)
    @rule()
    def take(self) -> None:
        """Let a worker take the head of a lane."""
        one = self.lanes.take()
        assert one is self.queues[one.key][0]
        assert one.key not in [other.key for other in (*self.running, *self.resting)]
        assert one.may_follow or one.key not in [other.key for other in self.written]
        self.running.append(one)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """Its effect is durable."""
        one = data.draw(st.sampled_from(self.running))
        self.running.remove(one)
        self.queues[one.key].popleft()
        self.lanes.finish(one)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        """Its effect is decided, and has its place in the order."""
        one = data.draw(st.sampled_from(self.running))
        self.running.remove(one)
        self.queues[one.key].popleft()
        self.written.append(one)
        self.lanes.write(one)

    @precondition(lambda self: self.written)
    @rule(data=st.data())
    def finish_written(self, data: st.DataObject) -> None:
        """Its effect, written before, is durable."""
        one = data.draw(st.sampled_from(self.written))
        self.written.remove(one)
        self.lanes.finish(one)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def rest(self, data: st.DataObject) -> None:
        """Let it wait to be tried again."""
        one = data.draw(st.sampled_from(self.running))
        self.running.remove(one)
        self.resting.append(one)
        self.lanes.rest(one)

    @precondition(lambda self: self.resting)
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """Its time has come."""
        one = data.draw(st.sampled_from(self.resting))
        self.resting.remove(one)
        self.lanes.again(one)

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """Let a partition go away."""
        every = [one for queue in self.queues.values() for one in queue]
        meant = [one for one in every if data.draw(st.booleans())]
        gone = [one for one in meant if one not in self.running]
        self.lanes.drop(lambda one: one in meant)
        for one in gone:
            self.queues[one.key].remove(one)
        forgotten = [one for one in self.resting if one in gone]
        self.resting = [one for one in self.resting if one not in gone]
        for one in forgotten:
            self.lanes.again(one)  # its time comes, and finds nothing

    @invariant()
    def counts_are_those_of_what_is_not_finished(self) -> None:
        """Bounds are made of these."""
        every = [one for queue in self.queues.values() for one in queue] + self.written
        sizes = [len(one.received.record.value or b"") for one in every]
        assert (self.lanes.count, self.lanes.size_bytes) == (len(every), sum(sizes))
        assert len(self.lanes) == len([q for q in self.queues.values() if q])

    @invariant()
    def what_runs_is_known(self) -> None:
        """Compare it: a revoke waits for it."""
        busy = sorted(self.lanes.busy(), key=id)
        assert busy == sorted((*self.running, *self.written), key=id)

    @invariant()
    def a_lane_is_ready_unless_its_head_runs_or_rests_or_may_not_follow(self) -> None:
        """Nobody waits without a reason."""
        idle = [one.key for one in (*self.running, *self.resting)]
        written = [one.key for one in self.written]
        heads = [q[0] for key, q in self.queues.items() if q and key not in idle]
        is_any = any(one.may_follow or one.key not in written for one in heads)
        assert self.lanes.has_ready == is_any


TestLanes = LanesMachine.TestCase
TestLanes.settings = settings(max_examples=40, stateful_step_count=40)


def test_a_lane_waits_for_its_head_and_others_go_on() -> None:
    lanes = Lanes()
    first, second, other = item(b"a"), item(b"a"), item(b"b")
    for one in (first, second, other):
        lanes.push(one)
    assert [lanes.take(), lanes.take()] == [first, other]
    assert not lanes.has_ready
    lanes.finish(first)
    assert lanes.take() is second


def test_lanes_are_taken_in_the_order_in_which_they_became_ready() -> None:
    lanes = Lanes()
    for key in (b"a", b"a", b"b", b"c"):
        lanes.push(item(key))
    first = lanes.take()
    lanes.finish(first)
    assert [lanes.take().key for _ in range(3)] == [b"b", b"c", b"a"]


def test_what_may_follow_need_not_wait_until_what_is_before_it_is_written() -> None:
    lanes = Lanes()
    first, second, third = item(b"a"), item(b"a", may_follow=True), item(b"a")
    for one in (first, second, third):
        lanes.push(one)
    lanes.write(lanes.take())
    lanes.write(lanes.take())
    assert not lanes.has_ready
    lanes.finish(second)
    assert not lanes.has_ready
    lanes.finish(first)
    assert lanes.take() is third
