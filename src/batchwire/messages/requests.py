"""
The three messages of the specification, as values that cannot break its rules.

Strings that may be absent are ``""``, times ``None``, as Go writes them. A field has the
value that counts: an absent priority is 5. Constructing one with a value that breaks a
rule of CONTRACT.md raises ``MalformedMessage``; times are turned into UTC.
"""

from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from batchwire.domain.lifecycle import Operation, Phase
from batchwire.errors import MalformedMessage
from batchwire.messages import rules
from batchwire.messages.message import BatchMessage, MessageType
from batchwire.messages.recipients import Recipients, to_recipients

PRIORITY_LOWEST, PRIORITY_HIGHEST = 1, 10
MAX_RETRIES_MOST = 100  # further attempts per recipient
TEMPLATE_KINDS = ("template", "marketing", "notification")


class BatchMessageRequest(BatchMessage, frozen=True, kw_only=True):
    """
    Creates a batch of ``recipients`` or of the list that ``recipients_ref`` names.

    ``batch_type`` is an open set; who executes the batch refuses what it cannot send.
    ``timeout``: seconds a running batch may go without progress. ``params`` values are
    JSON values. Numbers in ``recipients`` are not judged here: preparation does that.

    Source: the specification, "消息类型 1"; CONTRACT.md.
    """

    TYPE = MessageType.BATCH_REQUEST

    user_id: str = ""
    batch_type: str
    message_type: str = "template"
    provider_type: str = ""
    recipients: Recipients = ()
    recipients_ref: str = ""
    template: str
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    schedule_time: datetime | None = None
    priority: int = 5  # 10 is the highest
    retry_count: int = 0  # informative
    max_retries: int = 3
    timeout: int = 300
    not_after: datetime | None = None
    created_at: datetime | None = None

    @property
    def recipients_count(self) -> int:
        """
        How many recipients the batch has.

        An announcement whose list was cut says so in the field ``recipients_count``.
        """
        count, listed = self.extra.get("recipients_count"), len(self.recipients)
        return count if type(count) is int and count > listed else listed

    def __post_init__(self) -> None:
        super().__post_init__()
        rules.required("batch_type", self.batch_type)
        rules.required("template", self.template)
        rules.one_of("message_type", self.message_type, TEMPLATE_KINDS)
        for name in ("user_id", "provider_type", "recipients_ref"):
            rules.text(name, getattr(self, name))
        rules.mapping("params", self.params)
        rules.whole("priority", self.priority, PRIORITY_LOWEST, PRIORITY_HIGHEST)
        rules.whole("retry_count", self.retry_count, 0)
        rules.whole("max_retries", self.max_retries, 0, MAX_RETRIES_MOST)
        rules.whole("timeout", self.timeout, 1, rules.INT32_MAX)
        self._to_utc("schedule_time", "not_after", "created_at")
        force_setattr(self, "recipients", to_recipients(self.recipients))
        if self.recipients and self.recipients_ref:
            problem = "stands beside recipients; give one of the two"
            raise MalformedMessage(field="recipients_ref", problem=problem)
        if not self.recipients and not self.recipients_ref:
            problem = "is empty, and there is no recipients_ref"
            raise MalformedMessage(field="recipients", problem=problem)


class BatchStatusUpdateRequest(BatchMessage, frozen=True, kw_only=True):
    """
    Says where a batch is.

    ``status`` may be a name that we do not know. ``progress`` is the share 0 to 1 of
    the current phase; ``processed``, ``success``, ``failed`` count recipients.

    Source: the specification, "消息类型 2"; CONTRACT.md.
    """

    TYPE = MessageType.BATCH_STATUS_UPDATE

    status: str
    current_phase: Phase = Phase.NONE
    progress: float = 0.0
    processed: int = 0
    success: int = 0
    failed: int = 0
    error_message: str = ""
    metadata: dict[str, Any] | None = None
    updated_at: datetime | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        rules.required("status", self.status)
        rules.one_of("current_phase", self.current_phase, Phase)
        force_setattr(self, "current_phase", Phase(self.current_phase))
        rules.share("progress", self.progress)
        for name in ("processed", "success", "failed"):
            rules.whole(name, getattr(self, name), 0)
        rules.text("error_message", self.error_message)
        if self.metadata is not None:
            rules.mapping("metadata", self.metadata)
        self._to_utc("updated_at")


class BatchOperationRequest(BatchMessage, frozen=True, kw_only=True):
    """
    Commands a batch; ``request_id`` makes it idempotent.

    A ``phase`` restricts it to a batch in that phase; for a retry it says which phase
    to run again.

    Source: the specification, "消息类型 3"; CONTRACT.md.
    """

    TYPE = MessageType.BATCH_OPERATION

    operation: Operation
    phase: Phase = Phase.NONE
    reason: str = ""
    operator_id: str = ""
    metadata: dict[str, Any] | None = None
    requested_at: datetime | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        rules.one_of("operation", self.operation, Operation)
        force_setattr(self, "operation", Operation(self.operation))
        rules.one_of("phase", self.phase, Phase)
        force_setattr(self, "phase", Phase(self.phase))
        rules.text("reason", self.reason)
        rules.text("operator_id", self.operator_id)
        if self.metadata is not None:
            rules.mapping("metadata", self.metadata)
        self._to_utc("requested_at")


AnyBatchMessage = BatchMessageRequest | BatchStatusUpdateRequest | BatchOperationRequest
