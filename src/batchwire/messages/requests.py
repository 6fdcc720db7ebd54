"""
The three messages of the specification, as values that cannot break its rules.

Strings that may be absent are ``""``, times ``None``, as Go writes them. A field has the
value that counts: an absent priority is 5. Constructing one with a value that breaks a
rule of CONTRACT.md raises ``MalformedMessage``; times are turned into UTC.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec

from batchwire.domain.lifecycle import Operation, Phase, Status
from batchwire.messages import rules
from batchwire.messages.fields import (
    JsonObject,
    OneOf,
    RecipientList,
    Share,
    Text,
    Time,
    Whole,
)
from batchwire.messages.message import BatchMessage, MessageType
from batchwire.messages.recipients import Recipients
from batchwire.messages.rule import ExactlyOne

PRIORITY_LOWEST, PRIORITY_HIGHEST = 1, 10
MAX_RETRIES_MOST = 100  # further attempts per recipient
TEMPLATE_KINDS = ("template", "marketing", "notification")


class BatchMessageRequest(BatchMessage, frozen=True, kw_only=True):
    """
    Creates a batch of ``recipients`` or of the list that ``recipients_ref`` names.

    ``batch_type`` is an open set; who executes the batch refuses what it cannot send.
    Numbers in ``recipients`` are not judged here: preparation does that.

    Source: the specification, "消息类型 1"; CONTRACT.md.
    """

    TYPE = MessageType.BATCH_REQUEST
    TOGETHER = (ExactlyOne("recipients", "recipients_ref"),)

    user_id: Annotated[str, Text(), "The owner."] = ""
    batch_type: Annotated[
        str,
        Text(is_required=True, known=("sms", "email", "push")),
        "What is sent; an open set, refused where no provider can send it.",
    ]
    message_type: Annotated[
        str,
        OneOf(TEMPLATE_KINDS, empty_is_absent=True),
        "What kind of text it is; empty is absent.",
    ] = "template"
    provider_type: Annotated[
        str, Text(), "A configured provider; empty for the default one."
    ] = ""
    recipients: Annotated[
        Recipients,
        RecipientList(),
        "Numbers, or numbers with parameters of their own, which win over `params`.",
    ] = ()
    recipients_ref: Annotated[
        str,
        Text(),
        "Instead of `recipients`: a list that was uploaded, or its URL.",
    ] = ""
    template: Annotated[
        str, Text(is_required=True), "The text, with `{{name}}` placeholders."
    ]
    params: Annotated[
        dict[str, Any], JsonObject(), "Values of placeholders, for all recipients."
    ] = msgspec.field(default_factory=dict)
    schedule_time: Annotated[
        datetime | None, Time(), "Nothing is submitted before."
    ] = None
    priority: Annotated[
        int,
        Whole(PRIORITY_LOWEST, PRIORITY_HIGHEST, zero_is_absent=True),
        "10 is the highest; 0 is absent.",
    ] = 5
    retry_count: Annotated[int, Whole(0), "Informative."] = 0
    max_retries: Annotated[
        int,
        Whole(0, MAX_RETRIES_MOST),
        "Further attempts per recipient after a retryable failure.",
    ] = 3
    timeout: Annotated[
        int,
        Whole(1, rules.INT32_MAX, zero_is_absent=True),
        "Seconds a running batch may go without progress; 0 is absent.",
    ] = 300
    not_after: Annotated[datetime | None, Time(), "Nothing is submitted after."] = None
    created_at: Annotated[datetime | None, Time(), "When it was asked for."] = None

    @property
    def recipients_count(self) -> int:
        """
        How many recipients the batch has.

        An announcement whose list was cut says so in the field ``recipients_count``.
        """
        count, listed = self.extra.get("recipients_count"), len(self.recipients)
        return count if type(count) is int and count > listed else listed


class BatchStatusUpdateRequest(BatchMessage, frozen=True, kw_only=True):
    """
    Says where a batch is.

    Source: the specification, "消息类型 2"; CONTRACT.md.
    """

    TYPE = MessageType.BATCH_STATUS_UPDATE

    status: Annotated[
        str,
        Text(is_required=True, known=tuple(Status)),
        "Where the batch is; unknown names are recorded, shown and counted.",
    ]
    current_phase: Annotated[
        Phase, OneOf(Phase), "The phase; empty where it is in neither."
    ] = Phase.NONE
    progress: Annotated[
        float,
        Share(),
        "Share of the current phase, 0 to 1; over 1 it is read as percent.",
    ] = 0.0
    processed: Annotated[int, Whole(0), "Recipients dealt with."] = 0
    success: Annotated[int, Whole(0), "Recipients that a provider accepted."] = 0
    failed: Annotated[int, Whole(0), "Recipients that failed."] = 0
    error_message: Annotated[str, Text(), "Empty where there is none."] = ""
    metadata: Annotated[
        dict[str, Any] | None, JsonObject(is_optional=True), "Anything more."
    ] = None
    updated_at: Annotated[datetime | None, Time(), "When this was so."] = None


class BatchOperationRequest(BatchMessage, frozen=True, kw_only=True):
    """
    Commands a batch; ``request_id`` makes it idempotent.

    Source: the specification, "消息类型 3"; CONTRACT.md.
    """

    TYPE = MessageType.BATCH_OPERATION

    operation: Annotated[Operation, OneOf(Operation), "What is to be done."]
    phase: Annotated[
        Phase,
        OneOf(Phase),
        "Only if the batch is in this phase; for a retry, which phase to run again.",
    ] = Phase.NONE
    reason: Annotated[str, Text(), "Why; kept in the audit log."] = ""
    operator_id: Annotated[str, Text(), "Who; kept in the audit log."] = ""
    metadata: Annotated[
        dict[str, Any] | None, JsonObject(is_optional=True), "Anything more."
    ] = None
    requested_at: Annotated[datetime | None, Time(), "When it was asked for."] = None


AnyBatchMessage = BatchMessageRequest | BatchStatusUpdateRequest | BatchOperationRequest

KINDS: Mapping[MessageType, type[AnyBatchMessage]] = {
    MessageType.BATCH_REQUEST: BatchMessageRequest,
    MessageType.BATCH_STATUS_UPDATE: BatchStatusUpdateRequest,
    MessageType.BATCH_OPERATION: BatchOperationRequest,
}
