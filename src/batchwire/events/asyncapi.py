"""
The AsyncAPI 3 document: the topic, its records, who sends and who receives them.

Made from what reads and writes the records. Source: AsyncAPI 3.0.0; Kafka bindings 0.5.0.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from batchwire.domain.record import Headers
from batchwire.events.settings import BatchEventServiceConfig
from batchwire.messages import headers
from batchwire.messages.codec import encode
from batchwire.messages.envelope import EventContext
from batchwire.messages.message import MessageType
from batchwire.messages.recognition import MAJOR_VERSION
from batchwire.messages.requests import KINDS
from batchwire.messages.samples import SAMPLES
from batchwire.messages.schema import schema_of

PARTITIONS, DEAD_LETTER_PARTITIONS = 8, 1  # as ``batchwire topics create`` makes them

_BINDING = "0.5.0"
_EXAMPLE_TIME = datetime(2024, 1, 1, 0, 5, tzinfo=UTC)
_DESCRIPTION = """\
The life of a batch of messages, as events in both directions: requests that make batches,
operations that control them, updates that say where they are. All events that one
producer writes about one batch stand in one partition, in order. A consumer counts on
nothing more: producers of other languages put a key on another partition, and a record
can come twice (the same `ce_id`). Unknown fields and headers are to be ignored."""
_SUMMARIES = {
    MessageType.BATCH_REQUEST: "Asks for a batch, or announces one.",
    MessageType.BATCH_STATUS_UPDATE: "Says where a batch is.",
    MessageType.BATCH_OPERATION: "Pauses, resumes, aborts or retries a batch.",
}


def document(config: BatchEventServiceConfig) -> dict[str, Any]:
    """Return the document of an installation, ready to be written as JSON."""
    topic = config.kafka.topic
    letters = config.dead_letters_of(topic)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Batchwire events",
            "version": f"{MAJOR_VERSION}.0.0",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": "localhost:9092", "protocol": "kafka"}},
        "channels": {
            "events": _channel(topic, PARTITIONS, list(MessageType)),
            "dead_letters": _channel(letters, DEAD_LETTER_PARTITIONS, ["dead_letter"]),
        },
        "operations": dict(_operations(config.consumer.group_id)),
        "components": {
            "messages": {
                **{one.value: _message(one, config) for one in MessageType},
                "dead_letter": _dead_letter(),
            },
            "schemas": {kind.__name__: schema_of(kind) for kind in KINDS.values()},
        },
    }


def _channel(topic: str, partitions: int, messages: Sequence[str]) -> dict[str, Any]:
    binding = {"topic": topic, "partitions": partitions, "bindingVersion": _BINDING}
    return {
        "address": topic,
        "messages": {
            str(name): _ref(f"components/messages/{name}") for name in messages
        },
        "bindings": {"kafka": binding},
    }


def _operations(group_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    group = {"groupId": {"type": "string", "const": group_id}}
    for name, summary in _SUMMARIES.items():
        for action in ("receive", "send"):
            operation = _operation(action, "events", name.value) | {"summary": summary}
            if action == "receive":
                operation["bindings"] = {"kafka": {**group, "bindingVersion": _BINDING}}
            yield f"{action}_{name}", operation
    told = {"summary": "Puts aside a record that could not be handled."}
    yield "send_dead_letter", _operation("send", "dead_letters", "dead_letter") | told


def _operation(action: str, channel: str, message: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": _ref(f"channels/{channel}"),
        "messages": [_ref(f"channels/{channel}/messages/{message}")],
    }


def _message(name: MessageType, config: BatchEventServiceConfig) -> dict[str, Any]:
    return {
        "name": name.value,
        "title": KINDS[name].__name__,
        "summary": _SUMMARIES[name],
        "contentType": "application/json",
        "headers": headers.schema_of(name),
        "payload": _ref(f"components/schemas/{KINDS[name].__name__}"),
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "bindings": {"kafka": _key()},
        "examples": [_example(name, config)],
    }


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "dead_letter",
        "title": "Dead letter",
        "summary": "A record that could not be handled: key, value and headers as they"
        " were, and why, in further headers.",
        "contentType": "application/octet-stream",
        "headers": headers.dead_letter_schema(),
        "payload": {"description": "The bytes of the original, whatever they were."},
        "bindings": {"kafka": _key()},
    }


def _key() -> dict[str, Any]:
    key = {"type": "string", "description": "The `batch_id`, UTF-8."}
    return {"key": key, "bindingVersion": _BINDING}


def _example(name: MessageType, config: BatchEventServiceConfig) -> dict[str, Any]:
    """Show the specification's sample, as we write it."""
    context = EventContext(
        event_id="018cc251-f400-7abc-8def-0123456789ab",
        source=config.source,
        type_prefix=config.type_prefix,
        time=_EXAMPLE_TIME,
        sequence=1,
    )
    record = encode(SAMPLES[name], context)
    return {
        "name": "specification",
        "headers": _texts(record.headers),
        "payload": msgspec.json.decode(record.value or b""),
    }


def _texts(pairs: Headers) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in pairs}


def _ref(path: str) -> dict[str, str]:
    return {"$ref": f"#/{path}"}
