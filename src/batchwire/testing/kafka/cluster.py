"""Three nodes: three copies of everything, two of which must be there."""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from batchwire.testing.kafka.broker import Broker, cluster_id
from batchwire.testing.kafka.ports import free_ports
from batchwire.testing.kafka.properties import Node

_HEAP_MB = 256


@contextmanager
def running_cluster(
    folder: Path | None = None, *, nodes: int = 3
) -> Iterator[Sequence[Broker]]:
    """
    Give the brokers of one cluster, serving; they are killed at the end.

    Raises:
        KafkaUnavailable: this machine has no Java or cannot fetch Kafka.
        BrokerDidNotStart: one did not.

    """
    with tempfile.TemporaryDirectory(prefix="batchwire-kafka-") as scratch:
        brokers = _made(folder or Path(scratch), nodes)
        try:
            for broker in brokers:  # none serves before most of them are there
                broker.launch()
            for broker in brokers:
                broker.wait()
            yield brokers
        finally:
            for broker in brokers:
                broker.kill()


def addresses(brokers: Sequence[Broker]) -> str:
    """Give ``bootstrap.servers`` of all."""
    return ",".join(broker.address for broker in brokers)


def _made(folder: Path, count: int) -> list[Broker]:
    ports = free_ports(2 * count)
    voters = dict(enumerate(ports[count:], start=1))
    brokers = [
        Broker(
            Node(node_id=node_id, port=port, voters=voters),
            folder / f"node-{node_id}",
            heap_mb=_HEAP_MB,
        )
        for node_id, port in enumerate(ports[:count], start=1)
    ]
    name = cluster_id()
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda broker: broker.format(name), brokers))
    return brokers
