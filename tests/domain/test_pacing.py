"""Rate, flow control and circuit, by their arithmetic."""

from collections import deque
from collections.abc import Callable
from itertools import count

import pytest

from batchwire.adapters.sandbox.rate import TokenBucket
from batchwire.domain.pacing import Circuit, Pace, backoff_s


def sent_in(pace: Pace, seconds: float, parts: int, start: float = 0.0) -> int:
    """Send as fast as it lets; returns the parts."""
    now, sent = start, 0
    while True:
        now += pace.delay_s(now) + 1e-9
        if now >= start + seconds:
            return sent
        pace.take(parts, now)
        sent += parts


@pytest.mark.parametrize("parts", [1, 3, 40])
def test_the_rate_is_kept_over_time_in_parts(parts: int) -> None:
    assert sent_in(Pace(20.0), 60, parts) == pytest.approx(1200, abs=parts + 3)


def test_a_burst_goes_at_once() -> None:
    assert sent_in(Pace(10.0, 50.0), 0.01, 1) == 50


def test_no_rate_is_free() -> None:
    pace = Pace()
    assert pace.is_free
    assert pace.delay_s(5.0) == 0


def crowd(size: int) -> dict[tuple[str, int], int]:
    return {("b1", position): 1 for position in range(size)}


def test_throttling_cuts_holds_and_recovers() -> None:
    pace = Pace(100.0)
    sent_in(pace, 2, 1)
    pace.throttled(2.0, 5.0, crowd(2))
    was_throttled = [pace.is_throttled]
    assert pace.delay_s(2.0) == 5.0
    slow = sent_in(pace, 1, 1, start=7.0)
    assert 0 < slow < 95
    sent_in(pace, 30, 1, start=8.0)
    was_throttled.append(pace.is_throttled)
    assert was_throttled == [True, False]
    assert sent_in(pace, 10, 1, start=38.0) == pytest.approx(1000, abs=20)


def test_throttling_a_free_provider_limits_it_for_a_while() -> None:
    pace = Pace()
    pace.throttled(1.0, None, crowd(1))
    was_free = [pace.is_free for s in range(2, 60) if pace.delay_s(float(s)) >= 0]
    assert not was_free[0]
    assert was_free[-1]


@pytest.mark.parametrize("rate", [0.2, 1.0, 100.0])
def test_throttling_slows_down_whatever_the_rate_is(rate: float) -> None:
    pace = Pace(rate)
    pace.delay_s(50.0)
    pace.take(1, 50.0)
    pace.throttled(50.1, None, crowd(1))
    assert pace.limit < rate


def test_a_burst_that_is_throttled_does_not_raise_the_rate() -> None:
    pace = Pace(10.0, 50.0)
    assert sent_in(pace, 0.01, 1) == 50
    pace.throttled(0.1, None, crowd(10))
    assert pace.limit == pytest.approx(7)


def test_answers_to_what_was_in_flight_at_a_cut_do_not_cut_again() -> None:
    pace = Pace(100.0)
    sent_in(pace, 2, 1)
    for n in range(30):
        pace.throttled(2.0 + n / 100, 0.1, {("b1", n): 1})
    assert pace.limit == pytest.approx(70, rel=0.05)


def test_no_second_in_which_the_provider_throttled_makes_it_faster() -> None:
    pace = Pace(100.0)
    sent_in(pace, 2, 1)
    limits = []
    for tenth in range(60):
        now = 2.0 + tenth / 10
        pace.delay_s(now)
        pace.take(10, now)
        pace.throttled(now, None, {("b1", 10 * tenth + n): 1 for n in range(10)})
        limits.append(pace.limit)
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] < 20


class Provider:
    """Is sent to for a minute by a line of 50, of whom who is refused goes last."""

    def __init__(self, takes: Callable[[float, int], bool]) -> None:
        self._takes = takes
        self.accepted = 0
        self.refused = [0, 0]  # in either half of the minute

    def send(self, pace: Pace, retry_after_s: float | None) -> None:
        """Go through the minute."""
        line, following = deque(range(50)), count(50)
        for ms in range(60_000):
            now = ms / 1000
            if pace.delay_s(now) > 0:
                continue
            who = line.popleft()
            (pace.measure if pace.is_free else pace.take)(1, now)
            if self._takes(now, who):
                self.accepted += 1
                line.append(next(following))
            else:
                self.refused[ms // 30_000] += 1
                pace.throttled(now, retry_after_s, {("b1", who): 1})
                line.append(who)


@pytest.mark.parametrize("rate", [0.0, 100.0])
@pytest.mark.parametrize("retry_after_s", [None, 1.0])
@pytest.mark.parametrize("burst", [0.0, 50.0])
def test_a_provider_that_takes_less_than_we_send_soon_refuses_hardly_anything(
    rate: float, retry_after_s: float | None, burst: float
) -> None:
    theirs = TokenBucket(50.0, 5.0, 0.0)
    provider = Provider(lambda now, _: not theirs.take(1, now))
    provider.send(Pace(rate, burst if rate else 0.0), retry_after_s)
    assert provider.refused[1] < 30 * 50 / 20
    assert provider.accepted > 60 * 50 * 0.5


def test_who_is_refused_for_good_slows_down_nobody_else() -> None:
    provider = Provider(lambda _, who: who != 7)
    provider.send(Pace(100.0), None)
    assert provider.accepted > 60 * 100 * 0.9


def test_a_few_refusals_in_a_hundred_are_no_sign_of_the_rate() -> None:
    calls = count(1)
    provider = Provider(lambda *_: next(calls) % 50 > 0)
    provider.send(Pace(100.0), None)
    assert provider.accepted > 60 * 100 * 0.8


def test_a_wait_that_a_provider_asks_of_one_alone_is_kept_at_the_rate() -> None:
    pace = Pace(100.0)
    sent_in(pace, 2, 1)
    pace.throttled(2.0, 5.0, crowd(1))
    was_throttled = [pace.is_throttled]
    assert pace.delay_s(2.5) == 4.5
    assert pace.delay_s(7.0) == 0
    assert [*was_throttled, pace.is_throttled] == [True, False]
    assert pace.limit == 100


def test_a_wait_that_a_provider_asks_for_is_kept_for_five_minutes_at_most() -> None:
    pace = Pace(100.0)
    pace.throttled(2.0, 86_400.0, crowd(1))
    assert pace.delay_s(2.0) == 300.0


def test_another_rate_frees_nobody_from_a_cut_but_where_it_is_less() -> None:
    pace = Pace(100.0)
    sent_in(pace, 2, 1)
    pace.throttled(2.0, None, crowd(30))
    pace.delay_s(2.1)
    cut_to = pace.limit
    pace.change(200.0, 0.0)
    assert (pace.limit, pace.is_throttled) == (cut_to, True)
    pace.change(10.0, 0.0)
    assert (pace.limit, pace.is_throttled) == (10.0, False)


def test_what_was_saved_up_does_not_go_at_once_after_a_cut() -> None:
    pace = Pace(1000.0)
    sent_in(pace, 1, 1)
    assert pace.delay_s(2.0) == 0
    pace.throttled(2.0, None, crowd(100))
    assert sent_in(pace, 0.001, 1, start=2.0) <= 2


def test_what_went_before_a_silence_is_no_measure_of_the_rate() -> None:
    pace = Pace(100.0)
    sent_in(pace, 1, 1)
    sent_in(pace, 0.3, 1, start=60.0)
    pace.throttled(60.3, None, crowd(30))
    assert pace.limit > 20


A, B, C = (("b1", position) for position in range(3))  # recipients


def test_a_circuit_opens_after_failures_in_a_row_only() -> None:
    circuit = Circuit(3, 60.0, 0.0)
    assert [circuit.failed(0.0), circuit.failed(0.0)] == [False, False]
    circuit.succeeded()
    assert [circuit.failed(0.0) for _ in range(3)] == [False, False, True]
    assert circuit.is_open


def test_trials_are_ever_further_apart_up_to_the_most() -> None:
    circuit = Circuit(1, 8.0, 0.0)
    delays = []
    for _ in range(6):
        assert circuit.failed(0.0)
        delays.append(circuit.delay_s)
        circuit.try_again()
        assert not circuit.is_open
        assert circuit.is_tripped
    assert delays == [1, 2, 4, 8, 8, 8]
    circuit.succeeded()
    assert not circuit.is_tripped


def test_a_circuit_opens_when_one_fails_again_and_nobody_succeeded_meanwhile() -> None:
    circuit = Circuit(20, 60.0, 0.0)
    assert not circuit.failed(0.0, {A: 1})
    assert not circuit.failed(0.0, {B: 1})
    assert circuit.failed(0.0, {A: 2})


def test_who_failed_while_others_succeeded_opens_no_circuit_alone() -> None:
    circuit = Circuit(20, 60.0, 0.0)
    circuit.failed(0.0, {A: 1})
    circuit.succeeded()
    assert [circuit.failed(0.0, {A: n}) for n in (2, 3, 4)] == [False] * 3


def test_where_nobody_ever_succeeded_a_later_attempt_opens_it_too() -> None:
    circuit = Circuit(20, 60.0, 0.0)
    assert [circuit.failed(0.0, {A: n}) for n in (2, 3)] == [False, True]


def test_one_who_fails_often_is_no_failure_in_a_row() -> None:
    circuit = Circuit(3, 60.0, 0.0)
    circuit.succeeded()
    assert not any(circuit.failed(0.0, {A: n}) for n in range(2, 9))


def test_who_opened_a_circuit_opens_it_again_where_nobody_was_accepted() -> None:
    circuit = Circuit(20, 60.0, 0.0)
    circuit.succeeded()
    assert [circuit.failed(0.0, {A: n}) for n in (1, 2)] == [False, True]
    circuit.succeeded(is_accepted=False)
    assert circuit.failed(0.0, {A: 3})


def test_a_trial_is_of_up_to_three_where_it_may_be_the_fault_of_each() -> None:
    circuit = Circuit(1, 60.0, 0.0)
    circuit.failed(0.0)
    circuit.try_again()
    whom = [{A: 1}, {B: 1}, {C: 1}]
    for _ in range(2):
        assert [circuit.failed(0.0, one, has_others=True) for one in whom] == [
            *(False, False, True)
        ]
        circuit.try_again()
    assert circuit.failed(0.0, {A: 1})  # nobody else is there
    circuit.try_again()
    assert circuit.failed(0.0, has_others=True)  # it cannot be theirs


def test_the_trials_of_another_outage_are_counted_anew() -> None:
    circuit = Circuit(1, 60.0, 0.0)
    circuit.trip(0.0)
    assert not circuit.failed(0.0, {A: 1}, has_others=True)
    circuit.succeeded()
    circuit.trip(1.0)
    whom = [{A: 1}, {B: 1}, {C: 1}]
    assert [circuit.failed(1.0, one, has_others=True) for one in whom] == [
        *(False, False, True)
    ]


def test_a_circuit_that_is_tripped_by_others_makes_a_trial_first() -> None:
    circuit = Circuit(20, 60.0, 100.0)
    circuit.trip(50.0)
    assert (circuit.is_tripped, circuit.is_open) == (True, False)
    assert circuit.failed(60.0)
    circuit.trip(120.0)
    assert circuit.is_patient(149.0)
    assert not circuit.is_patient(150.0)


def test_an_outage_at_which_nobody_looked_for_long_is_another_one() -> None:
    circuit = Circuit(1, 60.0, 1000.0)
    circuit.failed(0.0)
    circuit.try_again()
    circuit.failed(5000.0)
    assert circuit.is_patient(5999.0)


def test_only_who_is_accepted_takes_a_failure_off_the_others() -> None:
    circuit = Circuit(20, 60.0, 0.0)
    circuit.failed(0.0, {A: 1})
    circuit.succeeded(is_accepted=False)
    assert circuit.failed(0.0, {A: 2})


def test_a_circuit_is_patient_from_the_first_time_it_opens() -> None:
    circuit = Circuit(1, 60.0, 100.0)
    assert not circuit.is_patient(50.0)
    circuit.failed(50.0)
    circuit.try_again()
    circuit.failed(149.0)
    assert circuit.is_patient(149.0)
    assert not circuit.is_patient(150.0)
    circuit.succeeded()
    circuit.failed(200.0)
    assert circuit.is_patient(299.0)


def test_backoff_doubles_with_jitter_up_to_five_minutes() -> None:
    assert [backoff_s(n, 1.0) for n in (1, 2, 3)] == [1, 2, 4]
    assert backoff_s(3, 0.0) == 2
    assert backoff_s(100, 1.0) == 300
    assert backoff_s(1, 1.0, 30.0) == 30
    assert backoff_s(100, 1.0, 30.0) == 300
    assert backoff_s(1, 1.0, 86_400.0) == 300


def test_what_a_provider_asks_us_to_wait_does_not_count_as_slowness() -> None:
    pace = Pace(50.0)
    now = 0.0
    for _ in range(100):
        now += 0.02
        pace.take(1, now)
    pace.throttled(now, 1.0, crowd(5))
    assert pace.limit == pytest.approx(35, rel=0.1)
    now += 1.0
    for _ in range(10):
        now += 0.03
        pace.take(1, now)
    pace.throttled(now, 1.0, crowd(5))
    assert pace.limit >= 20


def test_a_wait_in_the_first_second_does_not_count_as_slowness_either() -> None:
    pace = Pace(100.0)
    for n in range(60):
        pace.take(1, n / 100)
    pace.throttled(0.6, 1.0, crowd(5))
    pace.take(1, 1.65)
    pace.throttled(1.65, None, crowd(5))
    assert pace.limit >= 40
