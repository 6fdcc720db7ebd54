"""The headers of CONTRACT.md, as a consumer of any language finds them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from batchwire.domain.lifecycle import Operation, Phase
from batchwire.errors import MalformedMessage
from batchwire.messages.envelope import EventContext, write_headers
from batchwire.messages.requests import (
    AnyBatchMessage,
    BatchMessageRequest,
    BatchOperationRequest,
    BatchStatusUpdateRequest,
)

TIME = datetime(2024, 1, 1, 8, 3, tzinfo=timezone(timedelta(hours=8)))
BARE = EventContext(
    event_id="e-1", source="//here", type_prefix="org.example", time=TIME
)

REQUEST = BatchMessageRequest(
    batch_id="b-1",
    user_id="usér",
    batch_type="sms",
    recipients=("+1",),
    template="Hi",
)
STATUS = BatchStatusUpdateRequest(
    batch_id="b-1", status="delivery_running", current_phase=Phase.DELIVERY
)
OPERATION = BatchOperationRequest(
    batch_id="b-1", operation=Operation.PAUSE, operator_id="admin-1"
)


def headers(message: AnyBatchMessage, context: EventContext = BARE) -> dict[str, str]:
    pairs = write_headers(message, context)
    assert len(dict(pairs)) == len(pairs)
    return {name: value.decode() for name, value in pairs if value is not None}


@pytest.mark.parametrize(
    ("message", "own"),
    [
        (
            REQUEST,
            {"message_type": "batch_request", "batch_type": "sms", "user_id": "usér"},
        ),
        (
            STATUS,
            {
                "message_type": "batch_status_update",
                "status": "delivery_running",
                "current_phase": "delivery",
            },
        ),
        (
            OPERATION,
            {
                "message_type": "batch_operation",
                "operation": "pause",
                "operator_id": "admin-1",
            },
        ),
    ],
)
def test_the_headers_are_those_of_the_contract(
    message: AnyBatchMessage, own: dict[str, str]
) -> None:
    assert headers(message) == {
        **own,
        "batch_id": "b-1",
        "timestamp": "1704067380",
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": "e-1",
        "ce_source": "//here",
        "ce_type": f"org.example.{own['message_type']}.v1",
        "ce_subject": "b-1",
        "ce_time": "2024-01-01T00:03:00Z",
    }


def test_what_the_context_adds_is_written() -> None:
    context = replace(
        BARE,
        sequence=42,
        correlation_id="c-1",
        causation_id="c-2",
        traceparent="00-a-b-01",
        tracestate="v=1",
        is_observed=True,
    )
    added = headers(REQUEST, context).items() - headers(REQUEST).items()
    assert dict(added) == {
        "ce_sequence": "0000000000000000042",
        "ce_correlationid": "c-1",
        "ce_causationid": "c-2",
        "traceparent": "00-a-b-01",
        "tracestate": "v=1",
        "execution": "observed",
    }


@pytest.mark.parametrize("name", ["event_id", "source", "type_prefix"])
def test_an_event_without_id_source_or_type_is_refused(name: str) -> None:
    with pytest.raises(MalformedMessage, match=f"^{name}: is empty"):
        replace(BARE, **{name: ""})


@pytest.mark.parametrize("sequence", [0, 1 << 63])
def test_an_event_number_has_at_most_19_digits_and_starts_at_1(sequence: int) -> None:
    with pytest.raises(MalformedMessage, match=r"^sequence: "):
        replace(BARE, sequence=sequence)


def test_an_event_time_without_offset_is_refused() -> None:
    with pytest.raises(MalformedMessage, match=r"^time: "):
        replace(BARE, time=datetime(2024, 1, 1))  # noqa: DTZ001


def test_the_time_of_an_event_is_utc() -> None:
    assert BARE.time.tzinfo is UTC
