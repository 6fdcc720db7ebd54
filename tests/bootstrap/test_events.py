"""The event service as the settings make it."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from batchwire.bootstrap import opened
from batchwire.config import load


@pytest.mark.parametrize(
    ("brokers", "told"), [("", "none: the database"), ("k1:9092,k2:9092", None)]
)
async def test_a_service_says_whose_events_it_takes_and_from_where(
    tmp_path: Path, brokers: str, told: str | None
) -> None:
    environ = {
        "BATCHWIRE_DATABASE_URL": str(tmp_path / "batchwire.db"),
        "KAFKA_BROKERS": brokers,
        "KAFKA_TOPIC": "a-topic",
    }
    async with opened(load(environ=environ)) as app:
        with capture_logs() as logs:
            app.events.service(consumes=True, relays=True)
    (line,) = logs
    assert line["event"] == "batch_events"
    assert (line["brokers"], line["topic"]) == (told or brokers, "a-topic")
