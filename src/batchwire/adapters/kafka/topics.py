"""The topics: made as asked, and compared with what was asked."""

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from batchwire.adapters.kafka.topic_settings import Difference, TopicSettings
from batchwire.adapters.kafka.translation import ours, translated

TIMEOUT_S = 10.0
_EXISTS, _MISSING = "TOPIC_ALREADY_EXISTS", "UNKNOWN_TOPIC_OR_PART"


def create(admin: AdminClient, topics: Sequence[TopicSettings]) -> list[str]:
    """
    Make those that do not exist, and return their names; the others stay as they are.

    Blocks until the brokers show them.

    Raises:
        BrokerError: the broker cannot be reached, or refuses one as it is asked for.

    """
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=-1 if topic.replication is None else topic.replication,
            config=topic.config,
        )
        for topic in topics
    ]
    made = []
    for name, future in admin.create_topics(wanted, request_timeout=TIMEOUT_S).items():
        try:
            future.result()
            made.append(name)
        except KafkaException as error:
            if error.args[0].name() != _EXISTS:
                raise ours(error.args[0], f"creating the topic {name}") from error
    for name in made:
        _wait_for(admin, name)
    return made


def check(admin: AdminClient, topics: Sequence[TopicSettings]) -> list[Difference]:
    """
    Compare, and return what differs; nothing is changed.

    Raises:
        BrokerError: the broker cannot be reached, or does not show a topic.

    """
    return [difference for topic in topics for difference in _differences(admin, topic)]


def _wait_for(admin: AdminClient, name: str) -> None:
    """Wait until a new topic is shown: brokers hear of it after the controller's yes."""
    deadline = time.monotonic() + TIMEOUT_S
    while _found(admin, name) is None and time.monotonic() < deadline:
        time.sleep(0.05)


def _differences(admin: AdminClient, topic: TopicSettings) -> list[Difference]:
    found = _found(admin, topic.name)
    if found is None:
        return [
            Difference(
                topic=topic.name, setting="topic", wanted="exists", found="missing"
            )
        ]
    wanted = {"partitions": str(topic.partitions), **topic.config}
    if topic.replication is not None:
        wanted["replication"] = str(topic.replication)
    return [
        Difference(topic=topic.name, setting=name, wanted=value, found=found[name])
        for name, value in wanted.items()
        if value != found[name]
    ]


def _found(admin: AdminClient, name: str) -> Mapping[str, str] | None:
    """Read a topic's settings, by name; None where there is no such topic."""
    asked = admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_S)
    with translated(f"describing the topic {name}"):
        try:
            partitions = asked[name].result().partitions
        except KafkaException as error:
            if error.args[0].name() == _MISSING:
                return None
            raise
        resource = ConfigResource(ResourceType.TOPIC, name)
        configs = admin.describe_configs([resource], request_timeout=TIMEOUT_S)
        entries = configs[resource].result()
    return {entry.name: entry.value for entry in entries.values()} | {
        "partitions": str(len(partitions)),
        "replication": str(len(partitions[0].replicas)),
    }
