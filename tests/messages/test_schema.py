"""The published schemas say what the reader does: no more, and nearly no less."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from batchwire.domain.record import Record
from batchwire.errors import MalformedMessage
from batchwire.messages.body import read_body, write_body
from batchwire.messages.codec import encode
from batchwire.messages.envelope import EventContext
from batchwire.messages.message import MessageType, wire_fields
from batchwire.messages.requests import KINDS, AnyBatchMessage
from batchwire.messages.samples import SAMPLES
from batchwire.testing import published

GOLDEN = Path(__file__).parent / "golden"
FULL = EventContext(
    event_id="e-1",
    source="//here",
    type_prefix="org.example",
    time=datetime(2024, 1, 1, tzinfo=UTC),
    sequence=7,
    correlation_id="c",
    causation_id="d",
    traceparent="00-1",
    tracestate="a=b",
    is_observed=True,
)
each = pytest.mark.parametrize("name", list(MessageType))

EDGES: list[Any] = [
    *(None, True, False, 0, 0.0, 1, 5.0, -1, 10, 11, 100, 101, 0.5, 99.5, 100.5),
    *((1 << 31) - 1, 1 << 31, (1 << 63) - 1, 1 << 63),
    *("", "x" * 255, "x" * 256, "a b", "a\0b", "é", "sms", "template", "spam"),
    *("pause", "preparation", "lunch", "2024-01-01T00:00:00Z"),
    *("0001-01-01T00:00:00Z", "2024-01-01 08:00:00.123456789+08:00"),
    *("2024-01-01", "2024-01-01T00:00:00", "2024-02-30T00:00:00Z"),
    *([], ["+1"], [{"to": "+1", "params": None, "x": 1}], [7], [{"params": {}}]),
    *([{"to": "+1", "params": []}], {}, {"a": [None]}),
]
values = st.sampled_from(EDGES) | st.integers() | st.floats(allow_nan=False) | st.text()


@st.composite
def bodies(draw: st.DrawFn) -> tuple[MessageType, dict[str, Any]]:
    """Draw a sample of the specification with some fields changed or taken away."""
    name = draw(st.sampled_from(MessageType))
    fields = st.sampled_from(sorted(wire_fields(KINDS[name])))
    changed = draw(st.dictionaries(fields, values, max_size=3))
    gone = draw(st.sets(fields, max_size=2))
    body = sample(name) | changed
    return name, {k: v for k, v in body.items() if k not in gone}


def sample(name: MessageType) -> dict[str, Any]:
    return write_body(SAMPLES[name])


@each
def test_reader_and_schema_agree_at_the_edges_of_every_field(name: MessageType) -> None:
    for field in wire_fields(KINDS[name]):
        for value in EDGES:
            assert_agreement(name, sample(name) | {field: value})
        assert_agreement(name, {k: v for k, v in sample(name).items() if k != field})


@given(bodies())
def test_reader_and_schema_agree_on_any_object(
    drawn: tuple[MessageType, dict[str, Any]],
) -> None:
    assert_agreement(*drawn)


def assert_agreement(name: MessageType, changed: dict[str, Any]) -> None:
    body = msgspec.json.decode(msgspec.json.encode(changed))
    fits = not published.body_misfits(name, body)
    message = attempt(name, body)
    if isinstance(message, MalformedMessage):
        assert not fits or is_beyond_a_schema(body.get(message.field), message)
    else:
        assert fits
        assert not published.misfits(encode(message, FULL))


def attempt(
    name: MessageType, body: dict[str, Any]
) -> AnyBatchMessage | MalformedMessage:
    try:
        return read_body(KINDS[name], body)
    except MalformedMessage as error:
        return error


def is_beyond_a_schema(value: object, error: MalformedMessage) -> bool:
    """Whether it is a day that no calendar has, or 5.0 for 5."""
    is_float = isinstance(value, float) and value.is_integer()
    return is_float or "an RFC 3339 time" in error.problem


@each
def test_the_samples_are_those_of_the_specification(name: MessageType) -> None:
    golden = msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes())
    record = encode(SAMPLES[name], FULL)
    assert record.value is not None
    assert msgspec.json.decode(record.value) == golden


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda p: p.stem)
def test_a_golden_sample_fits_whoever_wrote_it(path: Path) -> None:
    body = msgspec.json.decode(path.read_bytes())
    body = body.get("data", body)  # of a structured CloudEvent
    shape = {"operation": "batch_operation", "status": "batch_status_update"}
    name = next((shape[key] for key in shape if key in body), "batch_request")
    assert not published.body_misfits(MessageType(name), body)


@each
def test_a_header_that_nobody_described_is_a_misfit(name: MessageType) -> None:
    record = encode(SAMPLES[name], FULL)
    assert not published.misfits(record)
    more = msgspec.structs.replace(record, headers=(*record.headers, ("x", b"1")))
    assert "'x' was unexpected" in published.misfits(more)[0]
    less = msgspec.structs.replace(record, headers=record.headers[:-5])
    assert "is a required property" in published.misfits(less)[0]


@each
def test_every_field_has_a_meaning_and_a_rule(name: MessageType) -> None:
    for field in wire_fields(KINDS[name]).values():
        assert field.meaning.endswith(".")
        assert field.rule.schema()["type"]


def test_a_misfit_is_told_by_its_place() -> None:
    record = Record(
        key=b"b-1",
        value=b'{"batch_id":"b-1","operation":"explode"}',
        headers=encode(SAMPLES[MessageType.BATCH_OPERATION], FULL).headers,
    )
    assert published.misfits(record)[0].startswith("$.operation: 'explode' is not")
