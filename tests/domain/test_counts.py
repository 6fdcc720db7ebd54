"""Counting outcomes."""

from hypothesis import given, strategies as st

from batchwire.domain import counts
from batchwire.domain.outcome import Outcome

outcomes = st.lists(st.sampled_from(Outcome)).map(bytes)


@given(outcomes, outcomes)
def test_counting_is_additive_and_closed(one: bytes, other: bytes) -> None:
    both = counts.add(counts.count(one), counts.count(other))
    assert both == counts.count(one + other)
    assert sum(both) == len(one) + len(other)


@given(outcomes)
def test_processed_is_everything_that_is_not_open(some: bytes) -> None:
    numbers = counts.count(some)
    assert counts.processed(numbers) == sum(outcome != 0 for outcome in some)
    assert counts.success(numbers) + counts.failed(numbers) <= counts.processed(numbers)


@given(outcomes)
def test_moving_keeps_the_sum_and_empties_the_source(some: bytes) -> None:
    before = counts.count(some)
    after = counts.moved(before, Outcome.OPEN, Outcome.ABORTED)
    assert sum(after) == sum(before)
    assert after[Outcome.OPEN] == 0


def test_who_expired_is_invalid_or_failed_has_failed() -> None:
    some = bytes([Outcome.FAILED, Outcome.INVALID, Outcome.EXPIRED, Outcome.UNCERTAIN])
    assert counts.failed(counts.count(some)) == 3


def test_names_are_those_of_the_outcomes() -> None:
    named = counts.named(counts.count(bytes([Outcome.ACCEPTED, Outcome.INVALID])))
    assert {name: n for name, n in named.items() if n} == {"accepted": 1, "invalid": 1}
    assert len(named) == len(Outcome)
