"""One rate for many processes: what all of them together send is never too much."""

import heapq
from collections.abc import Iterator
from itertools import count
from math import inf

import pytest
from hypothesis import given, settings, strategies as st

from batchwire.domain.rationing import AHEAD_S, Ask, Rate, grant
from batchwire.domain.shared_pace import SharedPace

CROWD = {("b1", position): 1 for position in range(1000)}
HUNDRED = Rate(parts_per_s=100.0)
EXACT = 1e-6


def ask(least: int = 1, most: int = 1, rate: Rate = HUNDRED) -> Ask:
    return Ask(name="p", least=least, most=most, rate=rate)


def test_slots_are_handed_out_in_a_row() -> None:
    first, tat_s = grant(ask(most=5), HUNDRED, 1000.0, 1000.0)
    second, _ = grant(ask(most=5), HUNDRED, tat_s, 1000.0)
    assert (first.starts_at_s, first.parts) == (1000.0, 5)
    assert second.starts_at_s == pytest.approx(1000.05)


def test_nobody_reserves_further_ahead_than_a_moment() -> None:
    greedy, tat_s = grant(ask(most=10_000), HUNDRED, 1000.0, 1000.0)
    assert greedy.parts == pytest.approx(AHEAD_S * 100, abs=1.1)
    late, same = grant(ask(), HUNDRED, tat_s + 0.1, 1000.0)
    assert (late.parts, same) == (0, tat_s + 0.1)
    assert 0.09 < late.wait_s < 0.12


def test_after_a_silence_no_more_than_a_burst_is_due_at_once() -> None:
    given_, tat_s = grant(ask(most=10_000), HUNDRED, 0.0, 1000.0)
    is_due = [given_.starts_at_s + n / 100 <= 1000.0 + EXACT for n in range(50)]
    assert is_due.count(True) == HUNDRED.most_at_once == 10
    assert tat_s > 1000.0


def test_a_message_larger_than_what_is_ahead_gets_its_slots_in_one_piece() -> None:
    slow = Rate(parts_per_s=2.0)
    given_, tat_s = grant(ask(least=6, most=6), slow, 1000.0, 1000.0)
    assert (given_.parts, tat_s) == (6, 1003.0)


def test_a_remainder_too_small_for_a_message_is_left_to_others() -> None:
    given_, tat_s = grant(ask(least=3, most=8), HUNDRED, 1000.0, 1000.0)
    assert given_.parts == 6
    assert tat_s == pytest.approx(1000.06)


def test_a_clock_that_was_set_back_an_hour_stops_nobody() -> None:
    given_, _ = grant(ask(), HUNDRED, 4600.0, 1000.0)
    assert (given_.parts, given_.wait_s) == (1, 0.0)


@pytest.mark.parametrize("parts", [1, 255])
def test_slots_that_last_longer_than_that_are_kept(parts: int) -> None:
    slow = Rate(parts_per_s=0.001)
    _, tat_s = grant(ask(parts, parts), slow, 1000.0, 1000.0)
    second, same = grant(ask(), slow, tat_s, 1000.0)
    assert (second.parts, same) == (0, tat_s)


def test_no_limit_reserves_nothing() -> None:
    given_, tat_s = grant(ask(), Rate(parts_per_s=0.0), 500.0, 1000.0)
    assert (given_.parts, given_.wait_s, tat_s) == (0, 0.0, 1000.0)


class Process:
    """One process with a clock of its own; it submits whenever it may."""

    def __init__(
        self, rate: Rate, clock_s: float, parts: int, waiting: int = 1000
    ) -> None:
        self.clock_s = clock_s
        self.parts = parts
        self.waiting = waiting
        self.pace = SharedPace("p", rate, lambda: None)
        self.pace.set(None, is_shared=True)


class World:
    """Processes and the one database, in its time."""

    def __init__(self, rate: Rate, delays_s: Iterator[float]) -> None:
        self.rate = rate
        self.tat_s = 0.0
        self.sent: list[tuple[float, int]] = []
        self._delays_s = delays_s
        self._order = count()
        self._due: list[tuple[float, int, Process, float]] = []

    def stop(self) -> None:
        """Let nobody do anything."""
        self._due.clear()

    def join(self, process: Process, at_s: float, until_s: float) -> None:
        """Let it work from one moment to another."""
        heapq.heappush(self._due, (at_s, next(self._order), process, until_s))

    def run(self, until_s: float) -> None:
        """Let all of them work."""
        while self._due and self._due[0][0] < until_s:
            at_s, _, process, leaves_s = heapq.heappop(self._due)
            if at_s < leaves_s:  # else it is killed, whatever it holds
                self.join(process, self._step(process, at_s), leaves_s)

    def _step(self, process: Process, at_s: float) -> float:
        """Let it do one thing; returns when it does the next."""
        now = at_s + process.clock_s
        delay_s = process.pace.delay_s(now, process.parts, process.waiting)
        if delay_s <= 0:
            process.pace.take(process.parts, now)
            self.sent.append((at_s, process.parts))
        if asked := process.pace.ask(now):
            there_s, back_s = next(self._delays_s), next(self._delays_s)
            given_, self.tat_s = grant(asked, self.rate, self.tat_s, at_s + there_s)
            at_s += there_s + back_s
            process.pace.given(given_, now, at_s + process.clock_s)
            return at_s
        return at_s + min(max(delay_s, 1e-4), 0.02)

    def most_beyond(self) -> float:
        """Give the most that any interval had beyond rate x t: a bucket that leaks."""
        level = most = last_s = 0.0
        for at_s, parts in sorted(self.sent):
            level = max(0.0, level - (at_s - last_s) * self.rate.parts_per_s) + parts
            last_s, most = at_s, max(most, level)
        return most


@settings(max_examples=60)
@given(
    rate=st.sampled_from([20.0, 100.0, 700.0]),
    lives=st.lists(
        st.tuples(
            st.floats(0, 3),
            st.floats(0.1, 4),
            st.integers(1, 2),
            st.sampled_from([1, 1000]),
        ),
        min_size=1,
        max_size=5,
    ),
    seed=st.randoms(use_true_random=False),
)
def test_processes_that_come_and_go_never_send_more_than_a_burst_too_much(
    rate: float, lives: list[tuple[float, float, int, int]], seed: object
) -> None:
    delays = iter(lambda: seed.uniform(0, 0.01), None)  # type: ignore[attr-defined]
    one = Rate(parts_per_s=rate)
    world = World(one, delays)
    for number, (joins_s, stays_s, parts, waiting) in enumerate(lives):
        process = Process(one, 1000.0 * number, parts, waiting)
        world.join(process, 50.0 + joins_s, 50.0 + joins_s + stays_s)
    world.run(60.0)
    assert world.most_beyond() <= one.most_at_once + EXACT


@pytest.mark.parametrize("processes", [1, 2, 8])
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_the_rate_is_used_whole_however_many_share_it(
    processes: int, parts: int
) -> None:
    world = World(HUNDRED, iter(lambda: 0.002, None))
    for number in range(processes):
        world.join(Process(HUNDRED, 10.0 * number, parts), 50.0, 70.0)
    world.run(70.0)
    total = sum(sent for _, sent in world.sent)
    assert 0.95 * 2000 < total <= 2000 + HUNDRED.most_at_once


@pytest.mark.parametrize("answer_s", [0.001, 0.04, 0.3])
def test_a_single_message_after_a_silence_is_not_kept_waiting(answer_s: float) -> None:
    world = World(HUNDRED, iter(lambda: answer_s / 2, None))
    process = Process(HUNDRED, 0.0, 1, waiting=1)
    world.join(process, 50.0, 60.0)
    world.run(60.0)
    assert len(world.sent) > 3 / answer_s or len(world.sent) > 100


def test_a_rate_that_is_set_holds_from_the_next_reservation() -> None:
    world = World(HUNDRED, iter(lambda: 0.002, None))
    for number in range(3):
        world.join(Process(HUNDRED, 10.0 * number, 1), 50.0, 70.0)
    world.run(60.0)
    world.rate = Rate(parts_per_s=10.0)
    before = len(world.sent)
    world.run(69.0)
    assert 60 < len(world.sent) - before < 10 * 9 + 2 * AHEAD_S * 100


@pytest.mark.parametrize("parts", [1, 4])
def test_who_waits_for_slots_of_a_slow_rate_goes_by_the_next_one_at_once(
    parts: int,
) -> None:
    slow = Rate(parts_per_s=0.01)
    pace = SharedPace("p", slow, lambda: None)
    pace.set(None, is_shared=True)
    tat_s = 1000.0
    for _ in range(2):
        pace.delay_s(1000.0, parts)
        if asked := pace.ask(1000.0):
            given_, tat_s = grant(asked, slow, tat_s, 1000.0)
            pace.given(given_, 1000.0, 1000.0)
    pace.set(HUNDRED, is_shared=True)
    pace.delay_s(1001.0, parts)
    asked = pace.ask(1001.0)
    assert asked is not None
    pace.given(grant(asked, HUNDRED, 1001.0, 1001.0)[0], 1001.0, 1001.0)
    assert pace.delay_s(1001.05, parts) == 0.0


def test_what_a_process_did_not_use_in_time_is_void() -> None:
    world = World(HUNDRED, iter(lambda: 0.002, None))
    process = Process(HUNDRED, 0.0, 1)
    world.join(process, 50.0, 60.0)
    world.run(51.0)
    world.stop()
    world.join(process, 55.0, 60.0)
    world.run(56.0)
    assert world.most_beyond() <= HUNDRED.most_at_once + EXACT


def test_a_throttled_process_is_slower_and_never_faster_than_the_shared_rate() -> None:
    world = World(HUNDRED, iter(lambda: 0.002, None))
    process = Process(HUNDRED, 0.0, 1)
    world.join(process, 50.0, 90.0)
    world.run(52.0)
    process.pace.throttled(52.0, None, CROWD)
    was_throttled = [process.pace.is_throttled]
    before = len(world.sent)
    world.run(53.0)
    assert len(world.sent) - before < 90
    world.run(90.0)
    assert [*was_throttled, process.pace.is_throttled] == [True, False]
    assert world.most_beyond() <= HUNDRED.most_at_once + EXACT


def test_alone_on_its_database_a_process_reserves_nothing() -> None:
    pace = SharedPace("p", HUNDRED, lambda: None)
    assert (pace.delay_s(1.0) > 0, pace.is_free) == (True, False)  # not known yet
    pace.set(None, is_shared=False)
    assert pace.delay_s(1.0) == 0
    assert pace.ask(1.0) is None
    pace.set(Rate(parts_per_s=0.0), is_shared=False)
    assert pace.is_free
    pace.set(None, is_shared=False)
    assert (pace.is_free, pace.parts_per_s) == (False, 100.0)


def test_a_provider_without_a_rate_that_throttles_gets_less_than_went() -> None:
    pace = SharedPace("p", Rate(parts_per_s=0.0), lambda: None)
    pace.set(None, is_shared=False)
    assert pace.allowed(0.5) == inf
    for tenth in range(9):
        pace.uncounted += 100
        pace.measure(10.0 + tenth / 10)
    pace.uncounted += 100
    pace.throttled(11.0, None, CROWD)
    assert pace.allowed(1.0) == pytest.approx(700, rel=0.02)
    assert not pace.is_free


def test_a_throttling_right_after_a_window_began_is_judged_by_the_one_before() -> None:
    pace = SharedPace("p", Rate(parts_per_s=0.0), lambda: None)
    pace.set(None, is_shared=False)
    for tenth in range(22):
        pace.uncounted += 100
        pace.measure(10.0 + tenth / 10)
    pace.throttled(12.12, None, CROWD)
    assert pace.allowed(1.0) == pytest.approx(700, rel=0.15)
