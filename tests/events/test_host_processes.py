"""What a call returned for is published, whatever happens to its process."""

import asyncio
import random
import secrets
import socket
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.events.conftest import Topic, host

from batchwire.testing.kafka import Broker

NOBODY = "127.0.0.1:9"


async def test_a_host_killed_again_and_again_loses_nothing_that_returned(
    kafka: str, topic: str, reading: Topic, tmp_path: Path
) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - to repeat a failure
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    said: list[int] = []
    for _ in range(5):
        async with host(kafka, topic, tmp_path / "spool", len(said), 0) as one:
            await one.said_so_many(chance.randint(1, 300))
            await asyncio.sleep(chance.uniform(0, 0.3))
            await one.kill()
        said += one.said
    async with host(kafka, topic, tmp_path / "spool", len(said), 10) as last:
        await last.said_so_many(10)
        said += last.said
        await reading.until(lambda topic: set(said) <= set(topic.numbers()))
        assert await last.end() == 0

    found = reading.numbers()
    assert found == sorted(found)
    # A call that was killed may have kept its event; nothing else is there.
    assert set(found) - set(said) <= {number + 1 for number in said}
    assert list((tmp_path / "spool").iterdir()) == []


async def test_what_waited_at_a_kill_is_sent_by_a_sibling_that_lives(
    kafka: str, topic: str, reading: Topic, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    async with host(kafka, topic, spool, 1000, 1) as sibling:
        await sibling.said_so_many(1)
        async with host(NOBODY, topic, spool, 0, 500) as away:
            await away.said_so_many(500)
            await away.kill()
        await reading.until(lambda topic: len(topic.numbers()) >= 501)
        assert await sibling.end() == 0

    assert [n for n in reading.numbers() if n < 1000] == list(range(500))


async def test_while_the_broker_is_away_the_host_goes_on_and_ends_when_it_wants(
    kafka: str, topic: str, reading: Topic, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    async with host(NOBODY, topic, spool, 0, 2000) as away:
        await away.said_so_many(2000)
        assert await away.end(timeout_s=15) == 0
    async with host(kafka, topic, spool, 2000, 10) as back:
        await reading.until(lambda topic: len(topic.numbers()) >= 2010)
        assert await back.end() == 0

    assert reading.numbers() == list(range(2010))


async def test_a_broker_that_dies_and_comes_back_gets_everything_in_order(
    own_broker: Broker, tmp_path: Path
) -> None:
    admin = AdminClient({"bootstrap.servers": own_broker.address, "log_level": 0})
    admin.create_topics([NewTopic("t", num_partitions=1)])["t"].result(30)
    spool = tmp_path / "spool"
    async with host(own_broker.address, "t", spool, 0, 0) as one:
        await one.said_so_many(200)
        await asyncio.to_thread(own_broker.kill)
        assert not _answers(own_broker.address)
        await one.said_so_many(1500)
        await asyncio.to_thread(own_broker.start)
        await one.said_so_many(2000)
        await one.kill()
        async with host(own_broker.address, "t", spool, 10_000_000, 1) as after:
            reading = Topic(own_broker.address, "t")
            await reading.until(lambda topic: 10_000_000 in topic.numbers())
            reading.close()
            assert await after.end() == 0

    found = reading.numbers()
    assert found == sorted(found)
    assert set(one.said) <= set(found)


def _answers(address: str) -> bool:
    name, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((name, int(port))) == 0
