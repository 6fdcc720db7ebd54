"""What the whole service must do with records, on whatever transport."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from batchwire.bootstrap import App, opened
from batchwire.config import Settings
from batchwire.domain.batch import Batch
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Outcome
from batchwire.domain.record import Record
from batchwire.errors import UnknownBatch
from batchwire.events.service import BatchEventService
from batchwire.ports.dead_letters import Filter
from batchwire.testing.builders import numbers, until
from batchwire.testing.events import event_id_of, operation, record, request, update

PATIENCE_S = 20.0


class Topic(Protocol):
    """
    A topic as a plain client sees it, and the settings of a service on it.

    ``settings`` name the transport; the contract gives the rest.
    """

    settings: dict[str, Any]

    async def publish(self, records: Sequence[Record]) -> None:
        """Append records, acknowledged."""
        ...

    async def read(self, *, is_dead: bool = False) -> list[Record]:
        """Read all that stands in the topic, or in that of its dead letters, now."""
        ...


class Running:
    """A service at work, with engine and sandbox provider."""

    def __init__(self, app: App, events: BatchEventService, topic: Topic) -> None:
        self.app = app
        self.events = events
        self.topic = topic

    async def batch(self, batch_id: str = "b1") -> Batch | None:
        """Read a batch; None where there is none yet."""
        try:
            return await self.app.store.batch(batch_id)
        except UnknownBatch:
            return None

    async def reaches(self, *statuses: Status, batch_id: str = "b1") -> Batch:
        """Wait until the batch is in one of the statuses."""

        async def is_there() -> bool:
            batch = await self.batch(batch_id)
            return batch is not None and batch.state.status in statuses

        await until(is_there, PATIENCE_S)
        batch = await self.batch(batch_id)
        assert batch is not None
        return batch

    async def told(self, batch_id: str = "b1") -> list[dict[str, Any]]:
        """Read the status updates that a plain reader sees of a batch."""
        return [
            json.loads(one.value or b"")
            for one in await self.topic.read()
            if header(one, "message_type") == "batch_status_update"
            and one.key == batch_id.encode()
        ]

    async def is_told(self, status: Status, batch_id: str = "b1") -> bool:
        """Whether a plain reader saw the batch in that status."""
        return status in [one["status"] for one in await self.told(batch_id)]


def header(one: Record, name: str) -> str:
    """Read a header's text."""
    return (dict(one.headers).get(name) or b"").decode()


@asynccontextmanager
async def running(settings: Settings, topic: Topic) -> AsyncIterator[Running]:
    """Run a service, as ``batchwire serve`` does."""
    async with opened(settings) as app:
        events = app.events.service(consumes=True, relays=True)
        await events.start()
        stop = asyncio.Event()
        engine = asyncio.create_task(app.engine.run(stop))
        try:
            yield Running(app, events, topic)
        finally:
            stop.set()
            await engine
            await events.stop()


def eventually(
    read: Callable[[], Awaitable[Sequence[Record]]], count: int
) -> Callable[[], Awaitable[bool]]:
    """Give the condition that so many records can be read."""

    async def is_there() -> bool:
        return len(await read()) >= count

    return is_there


class EventsContract:
    """
    Inherit, name the subclass ``Test…``, give it ``topic`` and ``settings``.

    ``settings`` are those of a service on ``topic`` with an empty database and a
    sandbox provider ``sandbox``, which takes 200 parts a second.
    """

    async def test_a_request_is_delivered_and_a_plain_reader_follows_it(
        self, topic: Topic, settings: Settings
    ) -> None:
        """Every transition is told, in order, numbered, with counts that add up."""
        await topic.publish([record("batch_request", request(recipients=numbers(50)))])
        async with running(settings, topic) as one:
            batch = await one.reaches(Status.COMPLETED)
            await until(lambda: one.is_told(Status.COMPLETED), PATIENCE_S)
            told = await one.told()
            events = [event async for event in one.app.store.replay("b1")]
        assert batch.state.counts == batch.counts
        assert [told[0]["status"], told[-1]["status"]] == [
            "preparation_running",
            "completed",
        ]
        assert (told[-1]["processed"], told[-1]["success"]) == (50, 50)
        moves = {e.sequence for e in events if e.type == "batch_status_update"}
        ours = [r for r in await topic.read() if header(r, "ce_source")]
        assert [int(header(r, "ce_sequence")) for r in ours] == sorted(moves)
        assert len({event_id_of(r) for r in ours}) == len(ours)

    async def test_pause_resume_and_abort_by_records(
        self, topic: Topic, settings: Settings
    ) -> None:
        """As the same calls on the API."""
        many = request(recipients=numbers(400))
        await topic.publish([record("batch_request", many)])
        async with running(settings, topic) as one:
            await one.reaches(Status.DELIVERY_RUNNING)
            steps = (
                ("pause", Status.DELIVERY_PAUSED),
                ("resume", Status.DELIVERY_RUNNING),
                ("abort", Status.ABORTED),
            )
            for name, status in steps:
                await topic.publish([record("batch_operation", operation(name))])
                batch = await one.reaches(status)
            assert batch.open_recipients == 0
            assert sum(batch.counts) == 400
            await until(lambda: one.is_told(Status.ABORTED), PATIENCE_S)

    async def test_retry_by_a_record(self, topic: Topic, settings: Settings) -> None:
        """Who failed is tried again in the same batch."""
        bad = request(recipients=numbers(3), max_retries=0, provider_type="failing")
        await topic.publish([record("batch_request", bad)])
        async with running(settings, topic) as one:
            await one.reaches(Status.DELIVERY_FAILED)
            retry = operation("retry", phase="delivery")
            await topic.publish([record("batch_operation", retry)])

            # Who was refused for good is suppressed: nobody is asked again.
            batch = await one.reaches(Status.COMPLETED)
            assert batch.counts[Outcome.SUPPRESSED] == 3
            await until(lambda: one.is_told(Status.COMPLETED), PATIENCE_S)
            assert await one.is_told(Status.DELIVERY_FAILED)

    async def test_what_comes_ten_times_has_one_effect(
        self, topic: Topic, settings: Settings
    ) -> None:
        """The same record, and the same request under other event ids (fault 19)."""
        same = [record("batch_request", request())] * 5
        resent = [record("batch_request", request(), ce_id=f"e{n}") for n in range(5)]
        await topic.publish([*same, *resent])
        async with running(settings, topic) as one:
            await one.reaches(Status.COMPLETED)
            await until(lambda: one.events.get_metrics()["processed"] >= 10, PATIENCE_S)
            consumer = one.events.consumer
            assert consumer is not None
            assert consumer.outcomes["duplicate"] == 4
            assert len(await one.app.store.batches()) == 1
            assert await one.app.events.dead_letters.count() == 0

    async def test_dead_letters_come_out_with_their_headers(
        self, topic: Topic, settings: Settings
    ) -> None:
        """Untouched beside what says why; what comes after them goes on."""
        bad = [
            Record(key=b"k", value=b"{", headers=(("x", b"\xff"), ("x", None))),
            record("batch_request", request(batch_type="email")),
            record("batch_request", request(), ce_type="io.b.batch_request.v2"),
        ]
        await topic.publish([*bad, record("batch_request", request("good"))])
        async with running(settings, topic) as one:
            await one.reaches(Status.COMPLETED, batch_id="good")
            await until(eventually(lambda: topic.read(is_dead=True), 3), PATIENCE_S)
            letters = await one.app.events.dead_letters.find(Filter())
        dead = {r.value: r for r in await topic.read(is_dead=True)}
        assert len(letters) == len(bad)
        for original, disposition in zip(
            bad, ["malformed", "unsupported-type", "unsupported-type"], strict=True
        ):
            if original.value == bad[2].value and original is not bad[2]:
                continue
            copy = dead[original.value]
            assert copy.key == original.key
            assert copy.headers[: len(original.headers)] == original.headers
            assert header(copy, "x-dlq-disposition") == disposition
            assert header(copy, "x-dlq-replay-count") == "0"
            assert header(copy, "__dlq.errors.delivery.count") == "1"
            assert header(copy, "__dlq.errors.message")
            assert header(copy, "__dlq.errors.offset").isdecimal()

    async def test_another_systems_batch_is_observed(
        self, topic: Topic, settings: Settings
    ) -> None:
        """Announced or not; nothing is sent, nothing is told of it."""
        announced = record("batch_request", request(), execution="observed")
        done = update(status="completed", progress=1.0)
        await topic.publish([announced, record("batch_status_update", done)])
        async with running(settings, topic) as one:
            await until(lambda: one.events.get_metrics()["processed"] >= 2, PATIENCE_S)
            assert await one.app.store.batches() == []
        assert len(await topic.read()) == 2

    async def test_what_our_publisher_publishes_is_executed(
        self, topic: Topic, settings: Settings
    ) -> None:
        """The call returns when the broker has it, and the batch is delivered."""
        async with running(settings, topic) as one:
            event_id = await one.events.publisher.publish_sms_batch_created(
                "b1", "u", tuple(numbers(2)), "Hi"
            )
            await one.reaches(Status.COMPLETED)
        assert event_id in [event_id_of(r) for r in await topic.read()]

    async def test_a_service_that_starts_again_goes_on_where_it_was(
        self, topic: Topic, settings: Settings
    ) -> None:
        """Nothing twice, nothing missed."""
        await topic.publish([record("batch_request", request("b1"))])
        async with running(settings, topic) as one:
            await one.reaches(Status.COMPLETED)
        await topic.publish([record("batch_request", request("b2"))])
        async with running(settings, topic) as one:
            await one.reaches(Status.COMPLETED, batch_id="b2")
            assert one.events.get_metrics()["errors"] == 0
            consumer = one.events.consumer
            assert consumer is not None
            assert consumer.outcomes["duplicate"] == 0
        assert one.events.restarts == 0


def service_settings(database: str, topic: Topic) -> Settings:
    """Make the settings of a service with a provider that works and one that does not."""
    return Settings.model_validate(
        {
            "database_url": f"sqlite:///{database}",
            "providers": {
                "sandbox": {"kind": "sandbox", "rate_parts_per_s": 200},
                "failing": {"kind": "sandbox", "permanent_rate": 1.0},
            },
            "default_provider": "sandbox",
            **topic.settings,
        }
    )
