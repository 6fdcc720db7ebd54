"""The rules of every field, for callers and for the wire."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from batchwire.domain.lifecycle import Operation, Phase
from batchwire.errors import MalformedMessage
from batchwire.messages.message import BatchMessage
from batchwire.messages.recipients import Recipient
from batchwire.messages.requests import (
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)

KINDS: dict[type[BatchMessage], dict[str, Any]] = {
    BatchMessageRequest: {
        "batch_id": "b-1",
        "batch_type": "sms",
        "template": "Hi {{name}}",
        "recipients": ["+447911123456"],
    },
    BatchStatusUpdateRequest: {"batch_id": "b-1", "status": "delivery_running"},
    BatchOperationRequest: {"batch_id": "b-1", "operation": "pause"},
}
REQUEST, STATUS, OPERATION = KINDS
PRIORITY_RULE = "a whole number from 1 to 10"


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_with_only_what_is_required_is_accepted(
    kind: type[BatchMessage],
) -> None:
    assert kind(**KINDS[kind]).batch_id == "b-1"


@pytest.mark.parametrize(
    ("kind", "field", "value", "rule"),
    [
        *((kind, "batch_id", "a b", "1 to 128 characters") for kind in KINDS),
        *((kind, "batch_id", 7, "1 to 128 characters") for kind in KINDS),
        *((kind, "request_id", "x" * 256, "more than the 255") for kind in KINDS),
        *((kind, "request_id", 7, "is not a string but int") for kind in KINDS),
        *((kind, "extra", {"batch_id": "b-2"}, "known field") for kind in KINDS),
        (REQUEST, "user_id", "a\0b", "NUL"),
        (REQUEST, "user_id", "\ud83d", "half a surrogate pair"),
        (REQUEST, "batch_type", "", "empty but required"),
        (REQUEST, "template", "", "empty but required"),
        (REQUEST, "message_type", "spam", "template, marketing, notification"),
        (REQUEST, "provider_type", None, "not a string but NoneType"),
        (REQUEST, "recipients", [], "no recipients_ref"),
        (REQUEST, "recipients", "+447911123456", "Expected `array`"),
        (REQUEST, "recipients", {"to": "+447911123456"}, "Expected `array`"),
        (REQUEST, "recipients_ref", "list-1", "one of the two"),
        (REQUEST, "params", [], "an object"),
        (REQUEST, "params", {1: "a"}, "string keys"),
        (REQUEST, "priority", 0, "1 to 10"),
        (REQUEST, "priority", 11, "1 to 10"),
        (REQUEST, "priority", True, "1 to 10"),
        (REQUEST, "priority", 5.5, "1 to 10"),
        (REQUEST, "priority", "5", "1 to 10"),
        (REQUEST, "retry_count", -1, "from 0 to 64 bits"),
        (REQUEST, "max_retries", -1, "0 to 100"),
        (REQUEST, "max_retries", 101, "0 to 100"),
        (REQUEST, "timeout", 0, "1 to 2147483647"),
        (REQUEST, "timeout", 1 << 31, "1 to 2147483647"),
        (REQUEST, "created_at", datetime(2024, 1, 1), "with an offset"),  # noqa: DTZ001
        (REQUEST, "not_after", "2024-01-01T00:00:00Z", "with an offset"),
        (
            REQUEST,
            "schedule_time",
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
            "9999",
        ),
        (STATUS, "status", "", "empty but required"),
        (STATUS, "current_phase", "lunch", "one of: empty, preparation, delivery"),
        (STATUS, "progress", -0.1, "from 0 to 1"),
        (STATUS, "progress", 1.01, "from 0 to 1"),
        (STATUS, "progress", float("nan"), "from 0 to 1"),
        (STATUS, "progress", "1", "from 0 to 1"),
        (STATUS, "progress", False, "from 0 to 1"),
        (STATUS, "processed", -1, "from 0 to 64 bits"),
        (STATUS, "success", 1 << 63, "from 0 to 64 bits"),
        (STATUS, "failed", 0.5, "from 0 to 64 bits"),
        (STATUS, "error_message", None, "not a string"),
        (STATUS, "metadata", "x", "an object"),
        (OPERATION, "operation", "explode", "pause, resume, abort, retry"),
        (OPERATION, "operation", ["pause"], "pause, resume, abort, retry"),
        (OPERATION, "phase", "lunch", "one of: empty, preparation, delivery"),
        (OPERATION, "reason", b"x", "not a string but bytes"),
        (OPERATION, "operator_id", 1, "not a string but int"),
        (OPERATION, "metadata", [], "an object"),
    ],
)
def test_a_value_that_breaks_a_rule_is_refused_with_field_and_rule(
    kind: type[BatchMessage], field: str, value: object, rule: str
) -> None:
    with pytest.raises(MalformedMessage) as caught:
        kind(**{**KINDS[kind], field: value})
    assert caught.value.field == field
    assert rule in caught.value.problem


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (REQUEST, "request_id", "ü" * 255),
        (REQUEST, "batch_type", "fax"),
        (REQUEST, "priority", 1),
        (REQUEST, "priority", 10),
        (REQUEST, "max_retries", 0),
        (REQUEST, "max_retries", 100),
        (REQUEST, "timeout", 1),
        (REQUEST, "message_type", "marketing"),
        (STATUS, "status", "processing"),
        (STATUS, "progress", 1),
        (STATUS, "processed", 10_000_000),
        (STATUS, "current_phase", Phase.DELIVERY),
        (OPERATION, "operation", Operation.RETRY),
    ],
)
def test_a_value_at_the_edge_of_its_rule_is_kept(
    kind: type[BatchMessage], field: str, value: object
) -> None:
    assert getattr(kind(**{**KINDS[kind], field: value}), field) == value


def test_times_of_any_offset_are_kept_as_utc() -> None:
    beijing = datetime(2024, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    message = BatchOperationRequest(
        batch_id="b-1", operation=Operation.PAUSE, requested_at=beijing
    )
    assert message.requested_at == beijing
    assert message.requested_at.tzinfo is UTC


def test_recipients_are_strings_or_objects_with_parameters() -> None:
    items = ["+1", {"to": "+2", "params": {"n": 1}}, {"to": "+3", "x": 1}]
    message = REQUEST(**{**KINDS[REQUEST], "recipients": items})
    assert isinstance(message, BatchMessageRequest)
    assert message.recipients == (
        "+1",
        Recipient(to="+2", params={"n": 1}),
        Recipient(to="+3"),
    )


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (7, "recipients[1]"),
        (None, "recipients[1]"),
        ({"number": "+1"}, "recipients[1]"),
        ({"to": 4479}, "recipients[1].to"),
        ({"to": "+1", "params": []}, "recipients[1].params"),
    ],
)
def test_an_unusable_recipient_is_named_by_its_place(item: object, field: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        REQUEST(**{**KINDS[REQUEST], "recipients": ["+1", item]})
    assert caught.value.field == field


def test_a_list_is_given_or_referred_to() -> None:
    message = REQUEST(
        **{**KINDS[REQUEST], "recipients": (), "recipients_ref": "list-1"}
    )
    assert isinstance(message, BatchMessageRequest)
    assert message.recipients_ref == "list-1"


def test_a_changed_copy_obeys_the_same_rules() -> None:
    message = REQUEST(**KINDS[REQUEST])
    with pytest.raises(MalformedMessage, match="priority"):
        msgspec.structs.replace(message, priority=11)


@pytest.mark.parametrize("nested", [["+447911123456"], {"to": "+447911123456"}])
def test_an_error_shows_of_a_nested_value_only_its_type(nested: object) -> None:
    with pytest.raises(MalformedMessage) as caught:
        REQUEST(**{**KINDS[REQUEST], "priority": nested})
    assert caught.value.problem == f"a {type(nested).__name__} is not {PRIORITY_RULE}"


def test_a_long_value_is_cut_in_the_error() -> None:
    with pytest.raises(MalformedMessage) as caught:
        REQUEST(**{**KINDS[REQUEST], "priority": "x" * 5000})
    assert len(caught.value.problem) < 120


def test_an_error_repeats_no_text_of_a_message() -> None:
    with pytest.raises(MalformedMessage) as caught:
        REQUEST(**{**KINDS[REQUEST], "template": "your code is 1234\0"})
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "count"), [(None, 1), (100_000, 100_000), (0, 1), ("many", 1), (True, 1)]
)
def test_an_announcement_whose_list_was_cut_says_how_many_there_are(
    said: object, count: int
) -> None:
    extra = {} if said is None else {"recipients_count": said}
    message = BatchMessageRequest(**KINDS[REQUEST], extra=extra)
    assert message.recipients_count == count
