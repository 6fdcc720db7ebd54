"""
``BatchEventPublisher``: what others are to know or to do, kept first, published then.

A message goes into the outbox, durably; the relay publishes it. So nothing is lost that
``publish_…`` returned for, and a broker that is away fails nobody.
"""

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec
import structlog

from batchwire.domain.identifiers import uuid7
from batchwire.domain.lifecycle import Operation, Phase
from batchwire.errors import BrokerUnreachable, RecordTooLarge
from batchwire.events.settings import BatchEventServiceConfig
from batchwire.messages.codec import encode
from batchwire.messages.envelope import EventContext
from batchwire.messages.recipients import Recipients
from batchwire.messages.requests import (
    AnyBatchMessage,
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)
from batchwire.ports.bus import Outgoing
from batchwire.ports.clock import Clock
from batchwire.ports.outbox import Outbox

_ATTEMPT_S = 5.0  # how long one attempt waits for the acknowledgement
_LOOK_S = 0.01

log = structlog.get_logger()


class BatchEventPublisher:
    """
    Publishes the three messages, in the order of the calls per batch.

    With ``async: false`` a call returns when the broker has acknowledged; after
    ``max_attempts`` times 5 s it raises ``BrokerUnreachable``, and the message stays in
    the outbox. With ``async: true`` it returns when the message is in the outbox.

    Every method raises ``MalformedMessage`` where an argument breaks a rule of the
    message, and ``StoreError`` where the outbox cannot be written: then nothing is kept.
    """

    def __init__(
        self, outbox: Outbox, clock: Clock, config: BatchEventServiceConfig
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._config = config

    async def publish_batch_request(self, message: BatchMessageRequest) -> str:
        """Ask for a batch; returns the event's id. A request_id is made where it lacks."""
        return await self._publish(message)

    async def publish_batch_status_update(
        self, message: BatchStatusUpdateRequest
    ) -> str:
        """Say where a batch is; returns the event's id."""
        return await self._publish(message)

    async def publish_batch_operation(self, message: BatchOperationRequest) -> str:
        """Command a batch; returns the event's id."""
        return await self._publish(message)

    async def publish_sms_batch_created(
        self,
        batch_id: str,
        user_id: str,
        recipients: Recipients,
        template: str,
        params: Mapping[str, Any] | None = None,
    ) -> str:
        """Ask for an SMS batch."""
        return await self._publish(
            BatchMessageRequest(
                batch_id=batch_id,
                user_id=user_id,
                batch_type="sms",
                recipients=recipients,
                template=template,
                params=dict(params or {}),
                created_at=self._clock.now(),
            )
        )

    async def publish_sms_batch_status_changed(
        self, message: BatchStatusUpdateRequest
    ) -> str:
        """Say where an SMS batch is, as of now where the message has no time."""
        at = message.updated_at or self._clock.now()
        return await self._publish(msgspec.structs.replace(message, updated_at=at))

    async def publish_sms_batch_paused(
        self, batch_id: str, phase: str = "", reason: str = "", operator_id: str = ""
    ) -> str:
        """Have an SMS batch paused."""
        return await self._operate(
            Operation.PAUSE, batch_id, phase, reason, operator_id
        )

    async def publish_sms_batch_resumed(
        self, batch_id: str, phase: str = "", reason: str = "", operator_id: str = ""
    ) -> str:
        """Have an SMS batch resumed."""
        return await self._operate(
            Operation.RESUME, batch_id, phase, reason, operator_id
        )

    async def publish_sms_batch_aborted(
        self, batch_id: str, reason: str = "", operator_id: str = ""
    ) -> str:
        """Have an SMS batch aborted."""
        return await self._operate(Operation.ABORT, batch_id, "", reason, operator_id)

    async def publish_sms_batch_retried(
        self, batch_id: str, phase: str = "", reason: str = "", operator_id: str = ""
    ) -> str:
        """Have the failed recipients of an SMS batch tried again."""
        return await self._operate(
            Operation.RETRY, batch_id, phase, reason, operator_id
        )

    async def _operate(
        self,
        operation: Operation,
        batch_id: str,
        phase: str,
        reason: str,
        operator_id: str,
    ) -> str:
        return await self._publish(
            BatchOperationRequest(
                batch_id=batch_id,
                operation=operation,
                phase=Phase(phase),
                reason=reason,
                operator_id=operator_id,
                requested_at=self._clock.now(),
            )
        )

    async def _publish(self, message: AnyBatchMessage) -> str:
        if not message.request_id:
            message = msgspec.structs.replace(message, request_id=str(uuid4()))
        now = self._clock.now()
        event_id = str(uuid7(int(now.timestamp() * 1000), secrets.token_bytes(10)))
        context = EventContext(
            event_id=event_id,
            # Not the service's own source, whose records have no effect on it.
            source=f"{self._config.source}/publisher",
            type_prefix=self._config.type_prefix,
            time=now,
            correlation_id=message.request_id,
        )
        outgoing = Outgoing(
            topic=self._config.kafka.topic, record=encode(message, context)
        )
        positions = await self._outbox.add([outgoing])
        if not self._config.kafka.is_async:
            await self._acknowledged(positions)
            if await self._outbox.refused([event_id]):
                raise RecordTooLarge(
                    f"the topic does not take an event so large; it is kept as a dead"
                    f" letter: batchwire dlq show {event_id}"
                )
        return event_id

    async def _acknowledged(self, positions: list[int]) -> None:
        attempts = self._config.kafka.max_attempts
        until = self._clock.monotonic() + attempts * _ATTEMPT_S
        while await self._outbox.waiting(positions):
            if self._clock.monotonic() >= until:
                problem = (
                    f"no acknowledgement after {attempts} attempts; the event stays in"
                    " the outbox and is published later"
                )
                log.warning("Failed to publish", error=problem)
                raise BrokerUnreachable(problem)
            await self._clock.sleep(_LOOK_S)
