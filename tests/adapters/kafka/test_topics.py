"""Topics as they were asked for, on a real broker."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient

from batchwire.adapters.kafka.topic_settings import (
    Difference,
    TopicSettings,
    dead_letters,
)
from batchwire.adapters.kafka.topics import check, create
from batchwire.errors import BrokerError, BrokerUnreachable

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def wanted(kafka_admin: AdminClient) -> Iterator[TopicSettings]:
    """Give a topic that does not exist yet."""
    topic = TopicSettings(name=f"events-{uuid4().hex}", partitions=3)
    yield topic
    kafka_admin.delete_topics([topic.name])[topic.name].exception(30)


def test_what_was_created_is_as_it_was_asked_for(kafka_admin: AdminClient) -> None:
    events = TopicSettings(
        name=f"events-{uuid4().hex}",
        partitions=3,
        replication=1,
        retention_ms=3_600_000,
        min_insync_replicas=1,
        cleanup_policy="compact",
        max_message_bytes=2_000_000,
    )
    both = [events, dead_letters(f"{events.name}.dlq", events)]
    assert create(kafka_admin, both) == [topic.name for topic in both]
    assert check(kafka_admin, both) == []
    assert create(kafka_admin, both) == []
    kafka_admin.delete_topics([topic.name for topic in both])


def test_a_missing_topic_is_a_difference(
    kafka_admin: AdminClient, wanted: TopicSettings
) -> None:
    assert check(kafka_admin, [wanted]) == [
        Difference(topic=wanted.name, setting="topic", wanted="exists", found="missing")
    ]


def test_every_setting_that_differs_is_named(
    kafka_admin: AdminClient, wanted: TopicSettings
) -> None:
    create(kafka_admin, [wanted])
    other = replace(
        wanted,
        partitions=4,
        replication=3,
        retention_ms=-1,
        min_insync_replicas=2,
        cleanup_policy="compact",
        max_message_bytes=1000,
    )
    differences = check(kafka_admin, [other])
    assert {(one.setting, one.wanted, one.found) for one in differences} == {
        ("partitions", "4", "3"),
        ("replication", "3", "1"),
        ("retention.ms", "-1", "604800000"),
        ("min.insync.replicas", "2", "1"),
        ("cleanup.policy", "compact", "delete"),
        ("max.message.bytes", "1000", "1048588"),
    }


def test_an_existing_topic_is_not_changed(
    kafka_admin: AdminClient, wanted: TopicSettings
) -> None:
    create(kafka_admin, [wanted])
    assert create(kafka_admin, [replace(wanted, partitions=5)]) == []
    assert check(kafka_admin, [wanted]) == []


def test_more_copies_than_brokers_are_refused_with_the_brokers_reason(
    kafka_admin: AdminClient, wanted: TopicSettings
) -> None:
    with pytest.raises(
        BrokerError, match=f"{wanted.name}.*factor of 9 cannot be reached"
    ):
        create(kafka_admin, [replace(wanted, replication=9)])


def test_no_broker_is_told_as_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchwire.adapters.kafka.topics.TIMEOUT_S", 1.0)
    nobody = AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    with pytest.raises(BrokerUnreachable, match="batchwire doctor"):
        check(nobody, [TopicSettings(name="events")])
