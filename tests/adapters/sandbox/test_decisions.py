"""The parts that decide: rate, memory of keys, chance, delay."""

import asyncio
from statistics import mean, stdev

import pytest

from batchwire.adapters.sandbox import Behaviour
from batchwire.adapters.sandbox.carrier import Carrier
from batchwire.adapters.sandbox.chance import Chance
from batchwire.adapters.sandbox.delay import DelayLine
from batchwire.adapters.sandbox.memory import RememberedKeys
from batchwire.adapters.sandbox.rate import TokenBucket


def test_a_bucket_refills_with_time_up_to_its_burst() -> None:
    bucket = TokenBucket(rate_per_s=2, burst=3, now_s=0)
    assert [bucket.take(1, 0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.take(1, 0.5) == 0
    assert [bucket.take(1, 100) for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_message_larger_than_the_burst_passes_and_is_paid_for_afterwards() -> None:
    bucket = TokenBucket(rate_per_s=1, burst=2, now_s=0)
    assert bucket.take(5, 0) == 0
    assert bucket.take(1, 0) == 4
    assert bucket.take(1, 4) == 0


def test_the_latest_keys_are_known_and_at_most_twice_as_many_are_held() -> None:
    keys = RememberedKeys[int](10)
    for n in range(95):
        keys.put(str(n), n)
    known = [n for n in range(95) if keys.get(str(n)) == n]
    assert known[-10:] == list(range(85, 95))
    assert len(known) <= 20


def test_latency_is_fixed_or_normal_and_never_negative() -> None:
    assert Chance(Behaviour(latency_ms=20)).latency_s() == 0.02
    chance = Chance(Behaviour(latency_ms=100, jitter_ms=10, seed=1))
    drawn = [chance.latency_s() for _ in range(2000)]
    assert mean(drawn) == pytest.approx(0.1, rel=0.02)
    assert stdev(drawn) == pytest.approx(0.01, rel=0.1)
    wide = Chance(Behaviour(latency_ms=1, jitter_ms=100, seed=1))
    assert min(wide.latency_s() for _ in range(100)) == 0


def test_shares_come_true_over_many_messages() -> None:
    behaviour = Behaviour(
        permanent_rate=0.1, optout_rate=0.05, transient_rate=0.2, seed=1
    )
    carrier = Carrier(behaviour)
    for n in range(10_000):
        carrier.submit(f"+49171{n:08d}", "Hi")
    counts = carrier.tally.counts
    assert counts.opted_out == pytest.approx(500, rel=0.15)
    assert counts.failed_permanent - counts.opted_out == pytest.approx(1000, rel=0.1)
    assert counts.failed_transient == pytest.approx(2000, rel=0.1)
    failed = counts.failed_permanent + counts.failed_transient
    assert counts.accepted + failed == 10_000


def test_a_new_seed_begins_the_sequence_anew() -> None:
    noisy = Behaviour(latency_ms=100, jitter_ms=10, seed=1)
    chance = Chance(noisy)
    first = [chance.latency_s() for _ in range(3)]
    chance.change(noisy.changed({"seed": 2}))
    chance.change(noisy)
    assert [chance.latency_s() for _ in range(3)] == first


def test_a_change_of_the_memory_forgets_the_keys_and_another_does_not() -> None:
    carrier = Carrier(Behaviour())
    first = carrier.submit("+491", "Hi", key="k")
    carrier.change(Behaviour(latency_ms=5))
    assert carrier.submit("+491", "Hi", key="k") == first
    carrier.change(Behaviour(remembered_keys=10))
    assert carrier.submit("+491", "Hi", key="k") != first


async def test_a_delay_line_calls_by_time_and_then_by_arrival() -> None:
    loop = asyncio.get_running_loop()
    line = DelayLine(loop)
    called: list[str] = []
    done = asyncio.Event()
    now_s = loop.time()
    line.add(now_s + 0.02, called.append, "third")
    line.add(now_s + 0.03, lambda _: done.set(), None)
    line.add(now_s + 0.01, called.append, "first")
    line.add(now_s + 0.01, called.append, "second")
    line.add(now_s - 1, called.append, "overdue")
    await done.wait()
    assert called == ["overdue", "first", "second", "third"]


async def test_a_closed_delay_line_calls_nothing_more() -> None:
    loop = asyncio.get_running_loop()
    line = DelayLine(loop)
    called: list[str] = []
    line.add(loop.time() + 0.001, called.append, "never")
    line.close()
    line.close()
    await asyncio.sleep(0.01)
    assert called == []
