"""The AsyncAPI document holds together, and shows what we write."""

import warnings
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from batchwire.adapters.kafka.topic_settings import TopicSettings, dead_letters
from batchwire.events.asyncapi import document
from batchwire.events.settings import BatchEventServiceConfig, KafkaConfig
from batchwire.messages.message import MessageType
from batchwire.testing import published

with warnings.catch_warnings(action="ignore"):  # a field of theirs named ``schema``
    from asyncapi3 import AsyncAPI3  # type: ignore[import-untyped]

CONFIG = BatchEventServiceConfig(
    kafka=KafkaConfig(topic="t"), dead_letter_topic="{topic}-x"
)
each = pytest.mark.parametrize("name", list(MessageType))


def made() -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(CONFIG)))
    return made


def test_it_is_an_asyncapi_3_document() -> None:
    assert AsyncAPI3.model_validate(made()).asyncapi == "3.0.0"


def test_every_reference_leads_somewhere() -> None:
    whole = made()
    found = list(references(whole))
    assert len(found) > 20
    for reference in found:
        part = whole
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_the_channels_are_the_topics_of_the_settings() -> None:
    channels = made()["channels"]
    assert channels["events"]["address"] == "t"
    assert channels["events"]["bindings"]["kafka"]["topic"] == "t"
    assert channels["dead_letters"]["address"] == "t-x"


def test_the_partitions_are_those_of_the_topics_that_we_create() -> None:
    channels = made()["channels"]
    events = TopicSettings(name="t")
    letters = dead_letters("t-x", events)
    for channel, topic in (("events", events), ("dead_letters", letters)):
        assert channels[channel]["bindings"]["kafka"]["partitions"] == topic.partitions


@each
def test_every_message_is_sent_and_received(name: MessageType) -> None:
    operations = made()["operations"]
    for action in ("send", "receive"):
        assert operations[f"{action}_{name}"]["action"] == action
    group = operations[f"receive_{name}"]["bindings"]["kafka"]["groupId"]
    assert group["const"] == CONFIG.consumer.group_id


@each
def test_the_example_of_a_message_fits_its_schemas(name: MessageType) -> None:
    message = made()["components"]["messages"][name]
    [example] = message["examples"]
    assert not published.body_misfits(name, example["payload"])
    assert example["headers"]["message_type"] == name
    assert example["headers"].keys() <= message["headers"]["properties"].keys()
