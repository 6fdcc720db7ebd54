"""What a real broker promises, and ours for tests keeps."""

from collections.abc import Iterator, Sequence
from threading import Event, Thread

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from batchwire.testing.kafka import Broker, addresses
from batchwire.testing.kafka.plain import read, send

pytestmark = pytest.mark.timeout(120)


def made(address: str, name: str, copies: int = 1) -> int:
    """Make a topic of one partition; returns the id of its leader."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    admin.create_topics([NewTopic(name, 1, copies)])[name].result(30)
    while True:  # nodes hear of a new topic one after the other
        partitions = admin.list_topics(name).topics[name].partitions
        if 0 in partitions and partitions[0].leader > 0:
            return partitions[0].leader


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_of_either_protocol_reads_what_was_sent(
    kafka: str, topic: str, protocol: str
) -> None:
    sent = {b"%d" % n for n in range(100)}
    send(kafka, topic, sent)
    assert set(read(kafka, topic, 100, group_protocol=protocol)) == sent


def test_records_survive_kill_and_restart(own_broker: Broker) -> None:
    made(own_broker.address, "kept")
    sent = [b"%d" % n for n in range(1000)]
    send(own_broker.address, "kept", sent)
    own_broker.kill()
    assert not own_broker.is_running
    own_broker.start()
    assert read(own_broker.address, "kept", 1000) == sent


def test_a_frozen_broker_answers_nothing_until_it_is_thawed(
    own_broker: Broker,
) -> None:
    made(own_broker.address, "cold")
    sent = Event()

    def sending() -> None:
        send(own_broker.address, "cold", [b"one"])
        sent.set()

    own_broker.freeze()
    thread = Thread(target=sending)
    thread.start()
    assert not sent.wait(0.5)
    own_broker.thaw()
    assert sent.wait(60)
    thread.join()


def test_one_of_three_nodes_killed_loses_no_acknowledged_record(
    kafka_cluster: Sequence[Broker],
) -> None:
    address = addresses(kafka_cluster)
    leader = made(address, "copied", copies=3)
    values = [b"%d" % n for n in range(50_000)]

    def amid() -> Iterator[bytes]:
        yield from values[:20_000]
        kafka_cluster[leader - 1].kill()
        yield from values[20_000:]

    send(address, "copied", amid())
    assert read(address, "copied", len(values)) == values
