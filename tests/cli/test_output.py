"""How single values are written."""

from datetime import UTC, datetime

import pytest

from batchwire.cli import output


@pytest.mark.parametrize(
    ("now", "written"),
    [
        (datetime(2030, 1, 1, 23, tzinfo=UTC), "12:30:00Z"),
        (datetime(2030, 1, 2, 0, tzinfo=UTC), "2030-01-01"),
    ],
)
def test_a_time_is_brief_by_leaving_out_today(now: datetime, written: str) -> None:
    made = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)
    assert output.brief_moment(made, now) == written
    assert output.brief_moment(None, now) == ""
