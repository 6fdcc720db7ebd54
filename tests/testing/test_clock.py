"""What a test may rely on when it moves the clock."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from batchwire.ports.clock import Clock
from batchwire.testing.clock import ManualClock

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


async def sleep_and_note(
    clock: Clock, delay_s: float, name: str, noted: list[tuple[str, float]]
) -> None:
    await clock.sleep(delay_s)
    noted.append((name, clock.monotonic()))


async def test_time_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(NOON)
    await asyncio.sleep(0.01)
    assert (clock.now(), clock.monotonic()) == (NOON, 0.0)


async def test_advance_moves_both_clocks() -> None:
    clock = ManualClock(NOON)
    await clock.advance(90)
    assert clock.now() == NOON + timedelta(seconds=90)
    assert clock.monotonic() == 90.0


async def test_a_wall_jump_leaves_the_monotonic_clock_and_the_sleepers_alone() -> None:
    clock = ManualClock(NOON)
    async with asyncio.TaskGroup() as tasks:
        sleeper = tasks.create_task(clock.sleep(10))
        await clock.advance(1)
        clock.jump_wall(3600)
        await clock.advance(0)
        assert not sleeper.done()
        assert clock.monotonic() == 1.0
        clock.jump_wall(-7200)
        assert clock.now() == NOON + timedelta(seconds=1 + 3600 - 7200)
        await clock.advance(9)


async def test_the_wall_clock_is_utc_wherever_the_start_was_given() -> None:
    clock = ManualClock(datetime(2030, 6, 1, 14, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == NOON
    assert clock.now().tzinfo is UTC


async def test_sleepers_wake_in_the_order_of_their_moments_and_see_them() -> None:
    clock = ManualClock()
    noted: list[tuple[str, float]] = []
    async with asyncio.TaskGroup() as tasks:
        for name, delay_s in (("late", 5), ("early", 1), ("middle", 3)):
            tasks.create_task(sleep_and_note(clock, delay_s, name, noted))
        await clock.advance(5)
    assert noted == [("early", 1.0), ("middle", 3.0), ("late", 5.0)]


async def test_sleepers_of_one_moment_wake_in_the_order_in_which_they_lay_down() -> (
    None
):
    clock = ManualClock()
    noted: list[tuple[str, float]] = []
    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(sleep_and_note(clock, 1, name, noted))
        await clock.advance(1)
    assert [name for name, _ in noted] == ["a", "b", "c"]


async def test_nobody_wakes_a_moment_too_early() -> None:
    clock = ManualClock()
    async with asyncio.TaskGroup() as tasks:
        sleeper = tasks.create_task(clock.sleep(1))
        await clock.advance(0.999)
        assert not sleeper.done()
        await clock.advance(0.001)
        assert sleeper.done()


async def test_a_loop_that_sleeps_a_second_goes_round_sixty_times_in_a_minute() -> None:
    clock = ManualClock()
    rounds = 0

    async def tick() -> None:
        nonlocal rounds
        while rounds < 100:
            await clock.sleep(1)
            rounds += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tick())
        await clock.advance(60)
        assert rounds == 60
        await clock.advance(40)


async def test_a_cancelled_sleeper_does_not_stop_the_others() -> None:
    clock = ManualClock()
    noted: list[tuple[str, float]] = []
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(sleep_and_note(clock, 1, "first", noted))
        tasks.create_task(sleep_and_note(clock, 2, "second", noted))
        await clock.advance(0)
        first.cancel()
        await clock.advance(2)
    assert noted == [("second", 2.0)]


@pytest.mark.parametrize("delay_s", [0.0, -1.0])
async def test_sleeping_for_nothing_returns_at_once_but_yields(delay_s: float) -> None:
    clock = ManualClock()
    ran: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.sleep(0)).add_done_callback(
            lambda _: ran.append("other")
        )
        tasks.create_task(
            sleep_and_note(clock, delay_s, "sleeper", [])
        ).add_done_callback(lambda _: ran.append("sleeper"))
    assert sorted(ran) == ["other", "sleeper"]


async def test_time_cannot_be_advanced_backwards() -> None:
    with pytest.raises(ValueError, match="cannot go back by 1 s"):
        await ManualClock().advance(-1)
