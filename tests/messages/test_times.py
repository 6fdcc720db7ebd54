"""RFC 3339 in, UTC out."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from batchwire.errors import MalformedMessage
from batchwire.messages.times import format_time, parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01t00:00:00z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01 00:00:00-00:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T05:30:00+05:30", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00.1Z", datetime(2024, 1, 1, 0, 0, 0, 100_000, UTC)),
        (
            "2024-01-01T00:00:00.123456999999999Z",
            datetime(2024, 1, 1, 0, 0, 0, 123_456, UTC),
        ),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        (
            "2016-12-31T23:59:60.25Z",
            datetime(2017, 1, 1, 0, 0, 0, 250_000, UTC),
        ),
        ("", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T08:05:43+08:05", None),
    ],
)
def test_an_rfc_3339_time_is_read_as_utc(text: str, expected: datetime | None) -> None:
    assert parse_time("created_at", text) == expected


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-01",
        "2024-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:61Z",
        "2024-01-01T00:00:00,5Z",
        "2024-01-01T00:00:00+0800",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00Z\n",
        "2024-01-0\u0661T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "now",
        1_704_067_200,
        True,
        ["2024-01-01T00:00:00Z"],
    ],
)
def test_anything_else_is_refused_with_field_and_rule(value: object) -> None:
    with pytest.raises(MalformedMessage, match=r"^created_at: .*RFC 3339") as caught:
        parse_time("created_at", value)
    assert caught.value.field == "created_at"


def test_a_time_without_a_zone_is_told_what_it_lacks() -> None:
    with pytest.raises(MalformedMessage, match="with its zone"):
        parse_time("created_at", "2024-01-01T00:00:00")


@given(st.datetimes(min_value=datetime(2, 1, 2), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_written_time_is_read_as_the_same_time(moment: datetime) -> None:
    assert parse_time("created_at", format_time(moment)) == moment
