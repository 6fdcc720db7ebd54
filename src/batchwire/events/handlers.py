"""
What the three messages of others do: a batch, an operation, an observation.

A handler decides what an event means; the consumer writes its effect down, once. A
request makes a batch and an operation changes one in a transaction of their own, where
their ``request_id`` sees to it that a repeat has no second effect.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from batchwire.domain.batch import OnUncertain, Trace
from batchwire.domain.lifecycle import Operation
from batchwire.domain.observed import Announcement, Report
from batchwire.domain.operations import VIA_TOPIC, Command
from batchwire.domain.outcome import RETRYABLE
from batchwire.engine.control import Control, Selection
from batchwire.engine.intake import Intake, Submission
from batchwire.errors import MalformedMessage, UnknownBatch, UnsupportedType
from batchwire.events.arrivals import Received
from batchwire.messages.codec import Decoded
from batchwire.messages.dead_letter import first_at_ms
from batchwire.messages.message import MessageType
from batchwire.messages.recipients import Recipient
from batchwire.messages.requests import (
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)
from batchwire.ports.inbox import Announce, Effect, Handled, Note, Observe
from batchwire.ports.provider import ProviderTraits
from batchwire.ports.recipient_lists import RecipientLists

Handler = Callable[[Received], Awaitable[Effect]]

_SMS = "sms"
_PIECE = 2_000  # recipients


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDefaults:
    """What a request leaves to the service that executes it."""

    providers: Mapping[str, ProviderTraits]
    provider: str
    region: str = ""
    chunk_size: int = 1000


class BatchHandlers:
    """The handlers of a service that executes batches and observes those of others."""

    def __init__(
        self,
        intake: Intake,
        control: Control,
        lists: RecipientLists,
        defaults: RequestDefaults,
    ) -> None:
        self._intake = intake
        self._control = control
        self._lists = lists
        self._defaults = defaults

    def table(self) -> Mapping[MessageType, Handler]:
        """Give who handles what."""
        return {
            MessageType.BATCH_REQUEST: self.request,
            MessageType.BATCH_STATUS_UPDATE: status_update,
            MessageType.BATCH_OPERATION: self.operation,
        }

    async def request(self, received: Received) -> Effect:
        """
        Make a batch of a request, or observe one that another system executes.

        Raises:
            MessageError: it cannot be executed as it stands.
            BatchConflict: its batch_id or request_id belong to another request.

        """
        decoded = _decoded(received)
        message = decoded.message
        assert isinstance(message, BatchMessageRequest)  # noqa: S101 - by the table
        if decoded.is_observed:
            return Announce(_announcement(message, decoded))
        submission = self._submission(message, received.event_id)
        if message.recipients_ref and await self._intake.was_taken(submission):
            return Handled()  # before a crash, say
        data = (
            self._lists.open(message.recipients_ref)
            if message.recipients_ref
            else _lines(message)
        )
        trace = Trace.read(decoded.traceparent, decoded.tracestate)
        await self._intake.take(submission, data, via=VIA_TOPIC, trace=trace)
        return Handled()

    async def operation(self, received: Received) -> Effect:
        """
        Operate on a batch of ours; on an observed one, only write it down.

        Raises:
            IllegalOperation: it does not fit.
            BatchConflict: its request_id was another operation's, or selection's.
            MalformedMessage: a retry of an outcome that cannot be retried.

        """
        message = _decoded(received).message
        assert isinstance(message, BatchOperationRequest)  # noqa: S101 - by the table
        command = Command(
            batch_id=message.batch_id,
            operation=message.operation,
            request_id=message.request_id or received.event_id,
            operator_id=message.operator_id,
            reason=message.reason,
            phase=message.phase,
            via=VIA_TOPIC,
        )
        try:
            await self._control.operate(command, _selection(message))
        except UnknownBatch:
            return Note(msgspec.to_builtins(command))
        return Handled()

    def _submission(self, message: BatchMessageRequest, event_id: str) -> Submission:
        if message.batch_type != _SMS:
            problem = (
                f"batch_type {message.batch_type!a} is not supported: no provider for"
                f" it is configured; {_SMS} is"
            )
            raise UnsupportedType(problem)
        provider, traits = self._provider(message.provider_type)
        is_safe = traits.honours_idempotency_key
        return Submission(
            batch_id=message.batch_id,
            request_id=message.request_id or event_id,
            template=message.template,
            provider=provider,
            source=message.recipients_ref or "recipients",
            params={k: _text(f"params.{k}", v) for k, v in message.params.items()},
            user_id=message.user_id,
            message_type=message.message_type,
            default_region=self._defaults.region,
            schedule_time=message.schedule_time,
            not_after=message.not_after,
            priority=message.priority,
            max_retries=message.max_retries,
            timeout_s=message.timeout,
            on_uncertain=OnUncertain.RESEND if is_safe else OnUncertain.HOLD,
            chunk_size=self._defaults.chunk_size,
        )

    def _provider(self, asked: str) -> tuple[str, ProviderTraits]:
        name = asked or self._defaults.provider
        traits = self._defaults.providers.get(name)
        if traits is None:
            known = ", ".join(sorted(self._defaults.providers))
            problem = f"there is no provider {name!a}; there are: {known}"
            raise MalformedMessage(field="provider_type", problem=problem)
        return name, traits


async def status_update(received: Received) -> Effect:
    """Observe what another system says of its batch."""
    decoded = _decoded(received)
    message = decoded.message
    assert isinstance(message, BatchStatusUpdateRequest)  # noqa: S101 - by the table
    return Observe(
        Report(
            status=message.status,
            phase=message.current_phase,
            progress=message.progress,
            processed=message.processed,
            success=message.success,
            failed=message.failed,
            error_message=message.error_message,
            at=message.updated_at or _moment(first_at_ms(received.record)),
            number=decoded.sequence or 0,
            source=decoded.source,
        )
    )


def _selection(message: BatchOperationRequest) -> Selection | None:
    """Read whom a retry is to take up, as ``batchwire retry`` tells another system."""
    if message.operation is not Operation.RETRY:
        return None
    names = ("outcome", "error_class", "error_code")
    told = message.metadata or {}
    asked = {n: _text(f"metadata.{n}", told.get(n, "")) for n in names}
    known = {one.name.lower(): one for one in RETRYABLE}
    outcome = known.get(asked["outcome"] or RETRYABLE[0].name.lower())
    if outcome is None:
        problem = f"is {asked['outcome']!a}; one of {', '.join(known)} can be retried"
        raise MalformedMessage("metadata.outcome", problem)
    return Selection(outcome, asked["error_class"], asked["error_code"])


def _decoded(received: Received) -> Decoded:
    assert received.decoded is not None  # noqa: S101 - else it has no handler
    return received.decoded


def _moment(at_ms: int) -> datetime | None:
    """Give the time of Unix milliseconds; None where nobody says (0)."""
    return datetime.fromtimestamp(at_ms / 1000, UTC) if at_ms else None


def _announcement(message: BatchMessageRequest, decoded: Decoded) -> Announcement:
    return Announcement(
        user_id=message.user_id,
        batch_type=message.batch_type,
        recipients=message.recipients_count,
        source=decoded.source,
        created_at=message.created_at,
    )


async def _lines(message: BatchMessageRequest) -> AsyncIterator[bytes]:
    """Give the recipients as JSON Lines, in which no text can break a line."""
    encoder = msgspec.json.Encoder()
    everyone = message.recipients
    for start in range(0, len(everyone), _PIECE):
        some = [
            one if isinstance(one, Recipient) else Recipient(to=one)
            for one in everyone[start : start + _PIECE]
        ]
        yield encoder.encode_lines(some)


def _text(field: str, value: Any) -> str:  # noqa: ANN401 - a JSON value
    """Give a JSON value as it stands in a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        problem = f"is {type(value).__name__}, which has no place in a text"
        raise MalformedMessage(field, problem)
    return msgspec.json.encode(value).decode()
