"""The machine's clocks are what the port promises."""

import asyncio
from datetime import UTC, datetime, timedelta

from batchwire.adapters.system.clock import SystemClock
from batchwire.ports.clock import Clock


def test_the_wall_clock_is_aware_utc_and_the_machine_s() -> None:
    clock: Clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_monotonic_clock_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)


async def test_a_sleeper_lets_others_run() -> None:
    clock = SystemClock()
    ran: list[str] = []

    async def note(name: str, delay_s: float) -> None:
        await clock.sleep(delay_s)
        ran.append(name)

    await asyncio.gather(note("second", 0.05), note("first", 0))
    assert ran == ["first", "second"]
