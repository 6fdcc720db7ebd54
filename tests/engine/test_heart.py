"""Fault 4 in one engine: it trusts itself for less time than the others do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from batchwire.engine.heart import Heart
from batchwire.engine.settings import EngineSettings
from batchwire.errors import StaleLease, StoreUnreachable
from batchwire.testing.clock import ManualClock

SETTINGS = EngineSettings()


class Workers:
    """Implements what a heart needs of ``ports.workers.Workers``."""

    def __init__(self, *, is_alone: bool = False) -> None:
        self.is_alone = is_alone
        self.signs: list[str] = []
        self.resigned: list[str] = []
        self.error: Exception | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    async def become_engine(self, owner: str, lasts_s: float) -> bool:
        """See the port."""
        await self.renew(owner, lasts_s)
        return self.is_alone

    async def renew(self, owner: str, lasts_s: float) -> None:
        """See the port."""
        assert lasts_s == SETTINGS.dead_after_s
        if self.error is not None:
            raise self.error
        self.meanwhile()
        self.signs.append(owner)

    async def resign(self, owner: str) -> None:
        """See the port."""
        self.resigned.append(owner)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def workers() -> Workers:
    return Workers()


Start = Callable[[], Awaitable[tuple[Heart, asyncio.Task[None]]]]


@pytest.fixture
async def start(clock: ManualClock, workers: Workers) -> AsyncIterator[Start]:
    """Give what starts a heart that beats by the test's clock."""
    beating: list[asyncio.Task[None]] = []

    async def started() -> tuple[Heart, asyncio.Task[None]]:
        heart = Heart(workers, clock, SETTINGS)  # type: ignore[arg-type]
        await heart.start()
        beating.append(asyncio.create_task(heart.run()))
        return heart, beating[-1]

    yield started
    for task in beating:
        task.cancel()
    await asyncio.gather(*beating, return_exceptions=True)


async def test_signs_keep_the_trust(
    start: Start, clock: ManualClock, workers: Workers
) -> None:
    heart, _ = await start()
    for count in range(2, 20):
        await clock.advance(SETTINGS.heartbeat_s)
        assert workers.signs == [heart.owner] * count
        assert heart.is_trusted


async def test_without_signs_the_trust_ends_before_anybody_takes_over(
    start: Start, clock: ManualClock, workers: Workers
) -> None:
    heart, beating = await start()
    workers.error = StoreUnreachable("away")
    await clock.advance(SETTINGS.trust_s - 0.1)
    trust = [heart.is_trusted]
    await clock.advance(0.1)
    trust.append(heart.is_trusted)
    workers.error = None
    await clock.advance(1.0)
    trust.append(heart.is_trusted)
    assert trust == [True, False, True]
    assert not beating.done()


async def test_who_was_suspended_with_the_machine_does_not_trust_itself(
    start: Start, clock: ManualClock
) -> None:
    heart, _ = await start()
    clock.jump_wall(SETTINGS.trust_s)
    trust = [heart.is_trusted]
    await clock.advance(SETTINGS.heartbeat_s)
    trust.append(heart.is_trusted)
    clock.jump_wall(-86_400.0)  # set back: that is no reason
    trust.append(heart.is_trusted)
    assert trust == [False, True, True]


async def test_the_trust_lasts_from_before_the_sign_was_given(
    start: Start, clock: ManualClock, workers: Workers
) -> None:
    """The database may have had it long before we hear so."""
    workers.meanwhile = lambda: clock.jump_wall(SETTINGS.trust_s)
    heart, _ = await start()
    trust = [heart.is_trusted]
    await clock.advance(SETTINGS.heartbeat_s)
    trust.append(heart.is_trusted)
    assert trust == [False, False]
    assert workers.signs == [heart.owner] * 2


async def test_who_was_declared_dead_ends_and_comes_again_under_another_name(
    start: Start, clock: ManualClock, workers: Workers
) -> None:
    heart, beating = await start()
    workers.error = StaleLease("dead")
    await clock.advance(SETTINGS.heartbeat_s)
    with pytest.raises(StaleLease):
        await beating
    await heart.stop()
    assert not heart.is_trusted
    workers.error = None
    other, _ = await start()
    assert other.owner != heart.owner
    assert workers.resigned == [heart.owner]


async def test_who_is_alone_gives_signs_and_needs_none(
    start: Start, clock: ManualClock, workers: Workers
) -> None:
    workers.is_alone = True
    heart, _ = await start()
    await clock.advance(SETTINGS.heartbeat_s)
    assert workers.signs == [heart.owner] * 2
    workers.error = StoreUnreachable("away")
    await clock.advance(100 * SETTINGS.dead_after_s)
    assert heart.is_trusted
