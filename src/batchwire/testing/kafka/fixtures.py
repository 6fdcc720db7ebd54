"""
Pytest fixtures; ``pytest_plugins = ["batchwire.testing.kafka.fixtures"]`` has them.

Without Java and Maven the tests that ask for one are skipped with the reason, and fail
where CI is ``true``: there a missing broker is a defect.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from batchwire.testing.kafka.broker import Broker, running_broker
from batchwire.testing.kafka.cluster import running_cluster
from batchwire.testing.kafka.programs import KafkaUnavailable
from batchwire.testing.kafka.secure import SecureBroker, running_secure_broker
from batchwire.testing.kafka.shared import kafka_address

NewTopicFor = Callable[..., str]
ANSWER_TIMEOUT_S = 30.0


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give ``bootstrap.servers`` of one plain broker, shared by the whole run."""
    base = tmp_path_factory.getbasetemp()
    # A worker's folder is inside the run's, which all workers see.
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    with or_skip(), kafka_address((base.parent if is_worker else base) / "kafka") as it:
        yield it


@pytest.fixture(scope="session")
def kafka_admin(kafka: str) -> AdminClient:
    """Give an administrator of the shared broker."""
    return AdminClient({"bootstrap.servers": kafka, "log_level": 0})


@pytest.fixture
def new_topic(kafka_admin: AdminClient) -> Iterator[NewTopicFor]:
    """Give what makes a fresh topic of n partitions; its settings by keyword."""
    made: list[str] = []

    def make(partitions: int = 1, **settings: str) -> str:
        name = f"test-{uuid4().hex}"
        config = {key.replace("_", "."): value for key, value in settings.items()}
        wanted = NewTopic(name, num_partitions=partitions, config=config)
        kafka_admin.create_topics([wanted])[name].result(ANSWER_TIMEOUT_S)
        made.append(name)
        while name not in kafka_admin.list_topics(timeout=ANSWER_TIMEOUT_S).topics:
            pass  # the broker hears of it a moment after the controller's yes
        return name

    yield make
    for future in kafka_admin.delete_topics(made).values() if made else ():
        future.result(ANSWER_TIMEOUT_S)


@pytest.fixture
def topic(new_topic: NewTopicFor) -> str:
    """Give a fresh topic of four partitions."""
    return new_topic(4)


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """Give a broker of this test alone, to be killed and frozen."""
    with or_skip(), running_broker(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
def kafka_cluster(tmp_path: Path) -> Iterator[Sequence[Broker]]:
    """Give three nodes of this test alone."""
    with or_skip(), running_cluster(tmp_path / "kafka") as brokers:
        yield brokers


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """Give a broker with TLS, SASL and an authoriser, one for each worker."""
    with or_skip(), running_secure_broker(tmp_path_factory.mktemp("kafka")) as secure:
        yield secure


@contextmanager
def or_skip() -> Iterator[None]:
    """Skip where no broker can be started here; fail where CI is ``true``."""
    try:
        yield
    except KafkaUnavailable as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
