"""From what a host reported (``reports``) to the records of the contract."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from batchwire.domain.identifiers import uuid7
from batchwire.domain.record import Record
from batchwire.errors import BatchwireError, MalformedMessage
from batchwire.events.reports import CREATED, OPERATION, STATUS
from batchwire.messages.codec import encode
from batchwire.messages.envelope import EventContext
from batchwire.messages.requests import (
    AnyBatchMessage,
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)
from batchwire.ports.bus import Outgoing

MOST_BYTES = 900_000  # of a record; brokers take a million unless told otherwise

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()

_decode = msgspec.msgpack.Decoder().decode


class HostRecords:
    """Makes the records of one source; the same report gives the same bytes."""

    def __init__(self, source: str, type_prefix: str, topic: str) -> None:
        self._source = source
        self._type_prefix = type_prefix
        self._topic = topic

    def outgoing(self, report: bytes) -> Outgoing | None:
        """Return the record of a report, or say why there can be none."""
        values: list[Any] = []
        try:
            kind, at_us, randomness, *values = _decode(report)
            return Outgoing(
                topic=self._topic,
                record=_record(kind, values, self._context(kind, at_us, randomness)),
            )
        except BatchwireError as error:
            _say_failed(values, error.code, error)
        except (msgspec.DecodeError, ValueError, TypeError, OverflowError) as error:
            _say_failed(values, "spool_damaged", error)
        return None

    def _context(self, kind: int, at_us: int, randomness: bytes) -> EventContext:
        return EventContext(
            event_id=str(uuid7(at_us // 1000, randomness)),
            source=self._source,
            type_prefix=self._type_prefix,
            time=_EPOCH + timedelta(microseconds=at_us),
            is_observed=kind == CREATED,
        )


def _record(kind: int, values: Sequence[Any], context: EventContext) -> Record:
    if kind == CREATED:
        return _announcement(values, context)
    make = _MAKERS.get(kind)
    if make is None:
        raise MalformedMessage(field="", problem=f"a report of kind {kind}")
    return _checked(encode(make(values, context), context))


def _announcement(values: Sequence[Any], context: EventContext) -> Record:
    """Shorten the list until the record fits; the rest of it is only counted."""
    batch_id, user_id, recipients, count, template, params = values
    while True:
        is_cut = count > len(recipients)
        message = BatchMessageRequest(
            request_id=context.event_id,
            batch_id=batch_id,
            user_id=user_id,
            batch_type="sms",
            recipients=recipients,
            template=template,
            params=params,
            created_at=context.time,
            extra={"recipients_count": count} if is_cut else {},
        )
        record = encode(message, context)
        if _fits(record) or len(recipients) == 1:
            return _checked(record)
        recipients = recipients[: len(recipients) // 2]


def _status(values: Sequence[Any], context: EventContext) -> AnyBatchMessage:
    batch_id, status, phase, progress, processed, success, failed, error = values
    return BatchStatusUpdateRequest(
        request_id=context.event_id,
        batch_id=batch_id,
        status=status,
        current_phase=phase,
        progress=progress,
        processed=processed,
        success=success,
        failed=failed,
        error_message=error,
        updated_at=context.time,
    )


def _operation(values: Sequence[Any], context: EventContext) -> AnyBatchMessage:
    batch_id, operation, phase, reason, operator_id = values
    return BatchOperationRequest(
        request_id=context.event_id,
        batch_id=batch_id,
        operation=operation,
        phase=phase,
        reason=reason,
        operator_id=operator_id,
        requested_at=context.time,
    )


_MAKERS = {STATUS: _status, OPERATION: _operation}


def _checked(record: Record) -> Record:
    if _fits(record):
        return record
    problem = f"the record would have more than {MOST_BYTES} bytes"
    raise MalformedMessage(field="", problem=problem)


def _fits(record: Record) -> bool:
    return len(record.value or b"") <= MOST_BYTES


def _say_failed(values: Sequence[Any], code: str, error: Exception) -> None:
    batch_id = values[0] if values and isinstance(values[0], str) else ""
    log.error("Failed to publish", batch_id=batch_id, error_code=code, error=str(error))
