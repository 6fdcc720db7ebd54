"""What contradicts what is known ends as a conflict, loudly."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import pytest

from batchwire.adapters.lists.allowed import AllowedLists
from batchwire.adapters.sql.event_doors import SqlInbox
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.domain.dead_letter import Disposition
from batchwire.domain.observed import Report
from batchwire.domain.record import Place, Record
from batchwire.engine.control import Control
from batchwire.engine.intake import Intake
from batchwire.errors import BatchConflict
from batchwire.events.arrivals import Received, receive
from batchwire.events.failures import Failures
from batchwire.events.handlers import BatchHandlers, RequestDefaults
from batchwire.events.lanes import Item
from batchwire.events.settings import BatchEventServiceConfig
from batchwire.ports.inbox import Arrival, Bury, Handled, Observe
from batchwire.ports.provider import ProviderTraits
from batchwire.testing.clock import ManualClock

REQUEST = {
    "request_id": "req-1",
    "batch_id": "b1",
    "user_id": "u",
    "batch_type": "sms",
    "recipients": ["+447911123456"],
    "template": "Hi",
}
PAUSE = {"request_id": "req-1", "batch_id": "b1", "operation": "pause"}


def received(body: Mapping[str, object]) -> Received:
    value = msgspec.json.encode(body)
    return receive(Record(key=b"b1", value=value, place=Place("t", 0, 0)))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(str(tmp_path / "batchwire.db"))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def handlers(database: SqliteDatabase) -> BatchHandlers:
    clock = ManualClock()
    store = SqlStore(database, clock)
    traits = ProviderTraits(name="sandbox")
    defaults = RequestDefaults(providers={"sandbox": traits}, provider="sandbox")
    lists = AllowedLists([], store)
    return BatchHandlers(Intake(store, clock), Control(store, clock), lists, defaults)


async def test_a_second_operation_under_one_request_id_is_a_conflict(
    handlers: BatchHandlers,
) -> None:
    """The request may share it, as in the specification's samples."""
    await handlers.request(received(REQUEST))
    await handlers.operation(received(PAUSE))
    assert await handlers.operation(received(PAUSE)) == Handled()
    resume = received({**PAUSE, "operation": "resume"})
    assert resume.event_id != received(PAUSE).event_id
    with pytest.raises(BatchConflict, match="was to pause it"):
        await handlers.operation(resume)


async def test_a_request_of_an_observed_id_is_a_conflict(
    handlers: BatchHandlers, database: SqliteDatabase
) -> None:
    update = received({"batch_id": "b1", "status": "delivery_running"})
    effect = Observe(Report(status="delivery_running"))
    arrival = Arrival(consumer="g", event_id="e1", batch_id="b1", record=update.record)
    await SqlInbox(database, ManualClock()).apply([(arrival, effect)])
    with pytest.raises(BatchConflict, match="another system executes it"):
        await handlers.request(received(REQUEST))


def test_a_conflict_is_a_dead_letter_at_once() -> None:
    failures = Failures(BatchEventServiceConfig(), ManualClock())
    item = Item(received(PAUSE), b"b1")
    effect = failures.of_error(item, BatchConflict("b1", "is taken"))
    assert isinstance(effect, Bury)
    assert effect.disposition is Disposition.CONFLICT
