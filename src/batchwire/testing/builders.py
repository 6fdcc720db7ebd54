"""What tests are made of: lists, requests, a provider by script, a running service."""

import asyncio
import inspect
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast

from batchwire.domain import operations
from batchwire.domain.batch import Batch, BatchSpec, ListFormat, ListSpec
from batchwire.domain.events import EventType, fold
from batchwire.domain.lifecycle import Operation, Status
from batchwire.domain.operations import Command
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.engine.control import Control, Selection
from batchwire.engine.intake import Intake, Submission
from batchwire.engine.run import Engine
from batchwire.engine.settings import EngineSettings
from batchwire.errors import StoreBusy
from batchwire.ports.clock import Clock
from batchwire.ports.event_store import EventStore
from batchwire.ports.provider import Provider, ProviderTraits
from batchwire.ports.repeats import Repeats
from batchwire.ports.store import Flush, Flushed, Store

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ACCEPTED = Answer(Verdict.ACCEPTED, provider_message_id="id")


class FullStore(Store, EventStore, Protocol):
    """Both doors of a database."""


def numbers(count: int, first: int = 0) -> list[str]:
    """Make distinct valid E.164 numbers."""
    return [f"+44781{first + n:07d}" for n in range(count)]


async def pieces(text: str, size: int = 4096) -> AsyncIterator[bytes]:
    """Give a list as it comes from a file or a socket: cut anywhere."""
    data = text.encode()
    for start in range(0, len(data), size):
        yield data[start : start + size]


def spec(batch_id: str = "b1", **fields: Any) -> BatchSpec:  # noqa: ANN401 - as BatchSpec
    """Make a specification whose identifiers come from its batch_id."""
    given: dict[str, Any] = {
        "batch_id": batch_id,
        "request_id": f"create-{batch_id}",
        "list": ListSpec(list_id=f"list-{batch_id}", format=ListFormat.PLAIN),
        "template": "Hello",
        "provider": "scripted",
        "created_at": NOON,
    }
    return BatchSpec(**(given | fields))


async def create(
    store: Store, asked: BatchSpec, digest: bytes = b"digest", *, via: str = ""
) -> tuple[Batch, bool]:
    """Create a batch that waits for its preparation."""
    fact = operations.created(Status.PREPARATION_READY, asked, via=via)
    return await store.create(asked, digest, (fact,))


def submission(batch_id: str = "b1", **fields: Any) -> Submission:  # noqa: ANN401 - as Submission
    """Make a request whose identifiers come from its batch_id."""
    given: dict[str, Any] = {
        "batch_id": batch_id,
        "request_id": f"create-{batch_id}",
        "template": "Hello",
        "provider": "scripted",
    }
    return Submission(**(given | fields))


class FastClock:
    """
    A real clock that runs ``speed`` times as fast, from ``NOON`` on.

    For engine tests: threads of a real store take part, so no test can move time by hand
    and know that everybody has followed.
    """

    def __init__(self, speed: float = 50.0) -> None:
        self._speed = speed
        self._started = time.monotonic()

    def now(self) -> datetime:
        """Wall-clock time, aware, UTC."""
        return NOON + timedelta(seconds=self.monotonic())

    def unix_us(self) -> int:
        """Wall-clock time, Unix microseconds."""
        return int(self.now().timestamp() * 1_000_000)

    def monotonic(self) -> float:
        """Seconds of its own since it was made."""
        return (time.monotonic() - self._started) * self._speed

    async def sleep(self, delay_s: float) -> None:
        """Wait on the running event loop, so many times shorter."""
        await asyncio.sleep(delay_s / self._speed)


class ScriptedProvider:
    """
    Implements ``ports.provider.Provider``: answers by ``script``, remembers everything.

    From the ``hold_after``-th message on, submissions wait for ``let_go``.
    """

    def __init__(
        self,
        script: Callable[[Message], Answer] = lambda _: ACCEPTED,
        *,
        hold_after: int | None = None,
        **traits: Any,  # noqa: ANN401 - as ProviderTraits
    ) -> None:
        self.script = script
        self.submitted: list[Message] = []
        self.is_open = False
        self._hold_after = hold_after
        self._gate = asyncio.Event()
        self._traits = ProviderTraits(**({"name": "scripted"} | traits))

    @property
    def traits(self) -> ProviderTraits:
        """See the port."""
        return self._traits

    @property
    def sent_to(self) -> Counter[str]:
        """How often a message was submitted, by number."""
        return Counter(message.to for message in self.submitted)

    @property
    def keys(self) -> Counter[str]:
        """How often a message was submitted, by idempotency key."""
        return Counter(message.key for message in self.submitted)

    def hold(self, after: int = 0) -> None:
        """Let submissions from now on wait, but for the next so many."""
        self._hold_after = len(self.submitted) + after
        self._gate.clear()

    def let_go(self) -> None:
        """Answer what waits, and what comes."""
        self._hold_after = None
        self._gate.set()

    async def open(self) -> None:
        """See the port."""
        self.is_open = True

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """See the port."""
        self.submitted += messages
        if self._hold_after is not None and len(self.submitted) > self._hold_after:
            await self._gate.wait()
        await asyncio.sleep(0)
        return [self.script(message) for message in messages]

    async def close(self) -> None:
        """See the port."""
        self.is_open = False


def counted_cycles(store: Store) -> Callable[[], int]:
    """Count the cycles of delivery that the store has written from now on."""
    flush, cycles = store.flush, 0

    async def counted(owner: str, flushes: Sequence[Flush]) -> list[Flushed]:
        nonlocal cycles
        found = await flush(owner, flushes)
        cycles += 1
        return found

    store.flush = counted  # type: ignore[method-assign]
    return lambda: cycles


class FlakyStore:
    """
    A store some of whose calls fail as busy, with nothing stored.

    ``fails`` is asked with the number of the call, counted from 1.
    """

    def __init__(self, store: FullStore, fails: Callable[[int], bool]) -> None:
        self._store = store
        self._fails = fails
        self.calls = 0
        self.failures = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of the store
        method = getattr(self._store, name)
        if not inspect.iscoroutinefunction(method):

            async def stream(*args: object, **kwargs: object) -> AsyncIterator[object]:
                self._count()
                async for one in method(*args, **kwargs):
                    yield one

            return stream

        async def call(*args: object, **kwargs: object) -> object:
            self._count()
            return await method(*args, **kwargs)

        return call

    @asynccontextmanager
    async def repeats(self) -> AsyncIterator[Repeats]:
        """See the port."""
        self._count()
        async with self._store.repeats() as one:
            yield one

    def _count(self) -> None:
        self.calls += 1
        if self._fails(self.calls):
            self.failures += 1
            raise StoreBusy(f"call {self.calls} was told to fail")


class Service:
    """Intake, control and engine around one store, for one test."""

    def __init__(
        self,
        store: FullStore,
        clock: Clock,
        providers: Mapping[str, Provider],
        settings: EngineSettings | None = None,
        *,
        engine_store: object = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.intake = Intake(store, clock)
        self.control = Control(store, clock)
        self.engine = Engine(
            cast("Store", engine_store or store),
            clock,
            providers,
            settings or EngineSettings(),
        )
        self._asked = 0

    async def take(
        self, recipients: Sequence[str] | str, batch_id: str = "b1", **fields: object
    ) -> Batch:
        """Take in a batch; recipients are the list's text or its lines."""
        text = recipients if isinstance(recipients, str) else "\n".join(recipients)
        asked = submission(batch_id, **fields)
        batch, _ = await self.intake.take(asked, pieces(text))
        return batch

    async def operate(
        self,
        operation: Operation,
        batch_id: str = "b1",
        *,
        selection: Selection | None = None,
        request_id: str = "",
    ) -> Batch:
        """Carry out an operation, by default under a request_id of its own."""
        self._asked += 1
        command = Command(
            batch_id=batch_id,
            operation=operation,
            request_id=request_id or f"{operation}-{self._asked}",
            operator_id="tester",
        )
        return await self.control.operate(command, selection)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the engine meanwhile; it is drained at the end, and must not have died."""
        stop = asyncio.Event()
        work = asyncio.create_task(self.engine.run(stop))
        try:
            yield
            if work.done():
                await work
        finally:
            stop.set()
            await work

    async def run(self) -> None:
        """Run the engine until nothing is left that moves by itself."""
        await asyncio.wait_for(self.engine.run(asyncio.Event(), until_idle=True), 60)

    async def until(self, *statuses: Status, batch_id: str = "b1") -> Batch:
        """Wait until the batch is in one of the statuses; gives it as it was then."""
        found: list[Batch] = []

        async def is_there() -> bool:
            batch = await self.store.batch(batch_id)
            if batch.state.status in statuses:
                found.append(batch)
            return bool(found)

        await until(is_there)
        return found[0]

    async def has_settled(self, batch_id: str = "b1") -> bool:
        """Whether it is told what escaped a pause."""
        notes = [e.data.get("note") async for e in self.store.replay(batch_id)]
        return "pause_settled" in notes

    async def intended(self, batch_id: str = "b1") -> int:
        """Count whom a crash now would leave uncertain, those answered meanwhile too."""
        leased = self.store.chunks(batch_id, is_leased=True)
        return sum([chunk.intent async for chunk in leased])

    async def flaws(self, batch_id: str = "b1") -> list[str]:
        """Say what of a batch contradicts the promises; empty is good."""
        batch = await self.store.batch(batch_id)
        events = [event async for event in self.store.replay(batch_id)]
        found = await self.store.verify(batch_id)
        if [e.sequence for e in events] != list(range(1, len(events) + 1)):
            found.append("the events are not numbered without gap")
        if fold(events).encode() != batch.state.encode():
            found.append("folding the events does not give the state")
        if min(batch.counts) < 0:
            found.append(f"a count is negative: {batch.counts}")
        told = [event for event in events if event.type is EventType.STATUS]
        if batch.state.escaped and told[-1].delta["counts"] != list(batch.counts):
            found.append("what escaped is not told with its counts")
        moves = [event for event in told if "status" in event.data]
        for before, after in zip([None, *moves], moves, strict=False):
            if before is not None and before.data["status"] != after.data["from"]:
                found.append(f"event {after.sequence} starts where nobody was")
        return found


async def until(condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
    """
    Wait until a condition, sync or async, is true.

    Raises:
        TimeoutError: it was not, for so long.

    """
    async with asyncio.timeout(timeout_s):
        while True:
            is_true = condition()
            if inspect.isawaitable(is_true):
                is_true = await is_true
            if is_true:
                return
            await asyncio.sleep(0.002)
