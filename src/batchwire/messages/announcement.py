"""
What the topic is told of our own batches: a record for each fact that goes on the wire.

The fact is an event of the log, the record one of the three messages. Notes, refusals
and repeats without effect stay in the log. So does what came from the topic itself: a
request or an operation that stands there already.
"""

from typing import Any

import msgspec

from batchwire.domain import counts, operations
from batchwire.domain.batch import BatchSpec
from batchwire.domain.events import Event, EventType, State
from batchwire.domain.identifiers import uuid7
from batchwire.domain.lifecycle import Operation
from batchwire.domain.record import Record
from batchwire.messages.codec import encode
from batchwire.messages.envelope import EventContext
from batchwire.messages.requests import (
    AnyBatchMessage,
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)

LIST_SCHEME = "batchwire:"  # recipients_ref of a list that stands in our database


class Announcer(msgspec.Struct, frozen=True):
    """
    Makes the records of one installation.

    ``source`` and ``type_prefix`` are those of CloudEvents, ``topic`` is where the
    records go.
    """

    source: str
    type_prefix: str
    topic: str

    def record(
        self, event: Event, digest: bytes, state: State, spec: BatchSpec
    ) -> Record | None:
        """
        Make the record of an event, or None where the topic is not told.

        ``state`` is the batch's after the event; ``digest`` is the event's own, of
        which its id is made: the same at every call.
        """
        message = _message(event, state, spec)
        if message is None:
            return None
        context = EventContext(
            event_id=event_id(event, digest),
            source=self.source,
            type_prefix=self.type_prefix,
            time=event.at,
            sequence=event.sequence,
            correlation_id=spec.request_id,
            traceparent=spec.trace.traceparent,
            tracestate=spec.trace.tracestate,
            is_observed=event.type is EventType.REQUEST,  # we execute it, nobody else
        )
        return encode(message, context)

    def asked(self, event: Event, digest: bytes) -> Record:
        """Make the record of an operation on a batch that another system executes."""
        context = EventContext(
            event_id=event_id(event, digest),
            source=self.source,
            type_prefix=self.type_prefix,
            time=event.at,
            correlation_id=event.data["request_id"],
        )
        return encode(_command(event), context)


def event_id(event: Event, digest: bytes) -> str:
    """Give the UUIDv7 of an event, out of its time and its hash."""
    return str(uuid7(int(event.at.timestamp() * 1000), digest[:10]))


def _message(event: Event, state: State, spec: BatchSpec) -> AnyBatchMessage | None:
    if event.data.get("via") == operations.VIA_TOPIC:
        return None
    match event.type:
        case EventType.REQUEST:
            return _request(spec)
        case EventType.STATUS:
            return _status(event, state, spec)
        case EventType.OPERATION:
            return _operation(event)
        case EventType.REFUSAL | EventType.NOTE:
            return None


def _request(spec: BatchSpec) -> BatchMessageRequest:
    return BatchMessageRequest(
        request_id=spec.request_id,
        batch_id=spec.batch_id,
        user_id=spec.user_id,
        batch_type="sms",
        message_type=spec.message_type,
        provider_type=spec.provider,
        recipients_ref=f"{LIST_SCHEME}{spec.list.list_id}",
        template=spec.template,
        params=dict(spec.params),
        schedule_time=spec.schedule_time,
        priority=spec.priority,
        max_retries=spec.max_retries,
        timeout=spec.timeout_s,
        not_after=spec.not_after,
        created_at=spec.created_at,
        extra={"recipients_count": spec.list.records},
    )


def _status(event: Event, state: State, spec: BatchSpec) -> BatchStatusUpdateRequest:
    metadata: dict[str, Any] = {"counts": counts.named(state.counts)}
    for name in ("reason", "by"):
        if event.data.get(name):
            metadata[name] = event.data[name]
    return BatchStatusUpdateRequest(
        request_id=spec.request_id,
        batch_id=spec.batch_id,
        status=state.status,
        current_phase=state.phase,
        progress=operations.fraction(state),
        processed=counts.processed(state.counts),
        success=counts.success(state.counts),
        failed=counts.failed(state.counts),
        error_message=state.error_message,
        metadata=metadata,
        updated_at=event.at,
    )


def _operation(event: Event) -> BatchOperationRequest | None:
    return None if event.data.get("effect") == "none" else _command(event)


def _command(event: Event) -> BatchOperationRequest:
    data = event.data
    return BatchOperationRequest(
        request_id=data["request_id"],
        batch_id=event.batch_id,
        operation=Operation(data["operation"]),
        phase=data["phase"],
        reason=data["reason"],
        operator_id=data["operator_id"],
        metadata=data.get("metadata") or {},
        requested_at=event.at,
    )
