"""Faults 2, 3, 7 and 13: consumer and relay killed, broker and topic away."""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.events.contract import (
    PATIENCE_S,
    eventually,
    header,
    running,
    service_settings,
)

from batchwire.adapters.sql import observed_rows
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.bootstrap import opened
from batchwire.config import Settings, load
from batchwire.domain.lifecycle import Status
from batchwire.testing.builders import numbers, pieces, submission, until
from batchwire.testing.events import event_id_of, record, request, update
from batchwire.testing.kafka.broker import Broker, running_broker
from batchwire.testing.kafka.fixtures import or_skip
from batchwire.testing.kafka.topic import KafkaTopic

CHILD = Path(__file__).with_name("event_child.py")
EVENTS = 20
# A member that was killed keeps its partitions for so long.
SESSION = {
    "group.consumer.session.timeout.ms": "2000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.heartbeat.interval.ms": "500",
    "group.consumer.min.heartbeat.interval.ms": "500",
}

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("kafka")
    with or_skip(), running_broker(folder, SESSION) as one:
        yield one


def make_topic(broker: Broker, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
    admin.create_topics([NewTopic(name, num_partitions=1)])[name].result(30)
    while name not in admin.list_topics(timeout=30).topics:
        pass


@pytest.fixture
def topic(broker: Broker, tmp_path: Path) -> KafkaTopic:
    name = tmp_path.name.replace("[", "-").replace("]", "")
    make_topic(broker, name)
    one = KafkaTopic(broker.address, name, f"{name}.dlq")
    one.settings["batch_events"]["kafka"]["async"] = True
    return one


@pytest.fixture
def config(topic: KafkaTopic, tmp_path: Path) -> Path:
    written = tmp_path / "settings.yaml"
    settings = {"database_url": f"sqlite:///{tmp_path / 'batchwire.db'}"}
    written.write_bytes(msgspec.json.encode(settings | topic.settings))
    return written


@pytest.fixture
def settings(tmp_path: Path, topic: KafkaTopic) -> Settings:
    return service_settings(str(tmp_path / "batchwire.db"), topic)


async def killed_at(point: str, config: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), str(config), point, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == -signal.SIGKILL, said.decode()


@pytest.mark.parametrize("point", ["before-commit", "after-commit"])
async def test_a_consumer_killed_around_its_commit_has_each_effect_once(
    config: Path, settings: Settings, topic: KafkaTopic, tmp_path: Path, point: str
) -> None:
    said = [
        record("batch_status_update", update(processed=n), ce_id=f"e{n}")
        for n in range(EVENTS)
    ]
    await topic.publish(said)
    await killed_at(point, config)
    async with running(settings, topic) as one:
        await until(lambda: one.events.get_metrics()["processed"] >= EVENTS, 60)
        consumer = one.events.consumer
        assert consumer is not None
        assert (consumer.outcomes["duplicate"] > 0) == (point == "after-commit")
        assert set(consumer.outcomes) <= {"ok", "duplicate"}
    database = SqliteDatabase(str(tmp_path / "batchwire.db"))
    state = await database.read(observed_rows.one, "b1")
    await database.close()
    assert state is not None
    assert (state.sequence, state.processed) == (EVENTS, EVENTS - 1)


@pytest.mark.parametrize("point", ["before-publish", "after-publish"])
async def test_a_relay_killed_around_its_acknowledgement_loses_nothing(
    config: Path,
    settings: Settings,
    topic: KafkaTopic,
    tmp_path: Path,
    point: str,
) -> None:
    async with opened(load(config, environ={})) as app:
        publisher = app.events.publisher
        sent = [
            await publisher.publish_sms_batch_paused("b1", reason=str(n))
            for n in range(EVENTS)
        ]
    await killed_at(point, config)
    before = len(await topic.read())
    assert before == (EVENTS if point == "after-publish" else 0)
    with sqlite3.connect(tmp_path / "batchwire.db") as database:
        database.execute("UPDATE workers SET dead_at = 0")  # 30 s later
    database.close()
    async with opened(settings) as app:
        service = app.events.service(consumes=False, relays=True)
        await service.start()
        await until(eventually(topic.read, before + EVENTS), PATIENCE_S)
        await service.stop()
        assert (await app.events.outbox.depth()).rows == 0
    told = [event_id_of(one) for one in await topic.read()]
    assert told == sent * (2 if before else 1)


async def test_while_the_broker_is_away_everything_else_goes_on(
    broker: Broker, settings: Settings, topic: KafkaTopic
) -> None:
    async with running(settings, topic) as one:
        await topic.publish([record("batch_request", request("first"))])
        await one.reaches(Status.COMPLETED, batch_id="first")
        await asyncio.to_thread(broker.stop)
        asked = submission("b1", provider="sandbox")
        await one.app.intake.take(asked, pieces("\n".join(numbers(5))))
        await one.reaches(Status.COMPLETED)
        for n in range(5):
            await one.events.publisher.publish_sms_batch_paused("b2", reason=str(n))
        waiting = (await one.app.events.outbox.depth()).rows
        assert waiting >= 10
        await asyncio.to_thread(broker.start)

        async def is_empty() -> bool:
            return (await one.app.events.outbox.depth()).rows == 0

        await until(is_empty, 60)
        await until(lambda: one.is_told(Status.COMPLETED), PATIENCE_S)
        assert one.events.restarts == 0
    ours = [r for r in await topic.read() if r.key == b"b1"]
    sequence = [int(header(r, "ce_sequence")) for r in ours]
    first_seen = list(dict.fromkeys(sequence))
    assert first_seen == sorted(first_seen)


async def test_a_missing_dead_letter_topic_holds_up_nothing(
    broker: Broker, settings: Settings, topic: KafkaTopic, tmp_path: Path
) -> None:
    bad = [
        record("batch_request", request(f"bad{n}", batch_type="email"))
        for n in range(3)
    ]
    await topic.publish([*bad, record("batch_request", request())])
    async with running(settings, topic) as one:
        await one.reaches(Status.COMPLETED)
        await until(lambda: one.is_told(Status.COMPLETED), PATIENCE_S)
        assert await one.app.events.dead_letters.count() == 3

        async def only_letters_wait() -> (
            bool
        ):  # what is published is forgotten after it
            return (await one.app.events.outbox.depth()).rows == 3

        await until(only_letters_wait, PATIENCE_S)
        await topic.publish([record("batch_request", request("b2"))])
        await one.reaches(Status.COMPLETED, batch_id="b2")
        await until(lambda: one.is_told(Status.COMPLETED, "b2"), PATIENCE_S)
        name = f"{tmp_path.name.replace('[', '-').replace(']', '')}.dlq"
        await asyncio.to_thread(make_topic, broker, name)
        await until(eventually(lambda: topic.read(is_dead=True), 3), 40)
        assert one.events.restarts == 0
    dead = await topic.read(is_dead=True)
    assert [one.key for one in dead] == [b"bad0", b"bad1", b"bad2"]
