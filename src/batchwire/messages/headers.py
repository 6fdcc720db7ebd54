"""
The headers of a record, described; ``envelope`` writes and reads them.

A reader needs none of them (see ``recognition``); ``ALWAYS`` are those that we write
without exception. A test holds this list and what ``envelope`` writes equal.
"""

from collections.abc import Mapping

from batchwire.messages.envelope import OBSERVED, SEQUENCE_DIGITS
from batchwire.messages.message import MessageType
from batchwire.messages.recognition import MAJOR_VERSION
from batchwire.messages.rule import Schema

ALWAYS = frozenset(
    {
        "message_type",
        "batch_id",
        "timestamp",
        "content-type",
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_subject",
        "ce_time",
    }
)

_SPECIAL: Mapping[MessageType, Mapping[str, str]] = {
    MessageType.BATCH_REQUEST: {
        "batch_type": "As in the message.",
        "user_id": "As in the message.",
    },
    MessageType.BATCH_STATUS_UPDATE: {
        "status": "As in the message.",
        "current_phase": "As in the message.",
    },
    MessageType.BATCH_OPERATION: {
        "operation": "As in the message.",
        "phase": "As in the message.",
        "operator_id": "As in the message.",
    },
}
_COMMON: Mapping[str, str] = {
    "batch_id": "As in the message.",
    "timestamp": "When it happened, Unix seconds.",
    "execution": f"`{OBSERVED}`: another system sends the batch.",
    "event_type": "Older name of `message_type`; read, never written.",
    "content-type": "`application/json`; `application/cloudevents+json` is read too.",
    "ce_specversion": "CloudEvents 1.x.",
    "ce_id": "Tells repeats from other events: the same on every resend. A UUIDv7.",
    "ce_source": "The installation that wrote it.",
    "ce_type": f"`<reverse domain>.<message_type>.v{MAJOR_VERSION}`.",
    "ce_subject": "The batch.",
    "ce_time": "When it happened, RFC 3339.",
    "ce_sequence": f"The batch's event number, {SEQUENCE_DIGITS} digits.",
    "ce_correlationid": "The request that led to it.",
    "ce_causationid": "The event that led to it.",
    "traceparent": "W3C trace context; ours have that of the batch's request.",
    "tracestate": "W3C trace context.",
    "x-dlq-event-id": "Of a redriven dead letter: the event it was before.",
    "x-dlq-first-at-ms": "Of a redriven dead letter: when it came, Unix milliseconds.",
    "x-dlq-replay-count": "Of a redriven dead letter: how often it was redriven.",
}
_DEAD_LETTER: Mapping[str, str] = {
    "__dlq.errors.topic": "The topic it stood in.",
    "__dlq.errors.partition": "The partition it stood in.",
    "__dlq.errors.offset": "Its offset there.",
    "__dlq.errors.group": "The consumer group that gave it up.",
    "__dlq.errors.delivery.count": "How often it was tried.",
    "__dlq.errors.message": "What was wrong, a sentence.",
    "x-dlq-disposition": "What kind of wrong.",
    "x-dlq-failed-at": "When it was given up, RFC 3339.",
    "x-dlq-replay-count": "How often it was redriven.",
}


def schema_of(message_type: MessageType) -> Schema:
    """Return the schema of the headers of a message, their values as text."""
    meanings = {**_COMMON, **_SPECIAL[message_type]}
    mark = {"type": "string", "const": message_type.value}
    return _object({"message_type": mark, **_texts(meanings)})


def dead_letter_schema() -> Schema:
    """Return the schema of the headers that a dead letter has beside its own."""
    return _object(_texts(_DEAD_LETTER))


def _texts(meanings: Mapping[str, str]) -> Schema:
    return {
        name: {"type": "string", "description": meaning}
        for name, meaning in meanings.items()
    }


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": True}
