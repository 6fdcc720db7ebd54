"""What tests of the events are made of: records of others, transports by script."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from batchwire.domain.record import Headers, Partition, Place, Record
from batchwire.errors import BrokerError
from batchwire.ports.bus import Listener, Outgoing, SubscriptionState

TOPIC = "sms-batch-events"
NOON_TEXT = "2030-01-01T12:00:00Z"


def record(message_type: str, body: Mapping[str, Any], **headers: str) -> Record:
    """Make a record as a plain client writes it; ``ce_id`` and others by keyword."""
    named = {"message_type": message_type, **headers}
    told: Headers = tuple((name, text.encode()) for name, text in named.items())
    key = str(body.get("batch_id", "")).encode()
    return Record(key=key, value=msgspec.json.encode(body), headers=told)


def request(batch_id: str = "b1", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Make the JSON of a ``batch_request``."""
    return {
        "request_id": f"create-{batch_id}",
        "batch_id": batch_id,
        "user_id": "user-1",
        "batch_type": "sms",
        "recipients": ["+447810000001"],
        "template": "Hello",
    } | fields


def update(batch_id: str = "b1", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Make the JSON of a ``batch_status_update``."""
    return {
        "request_id": f"create-{batch_id}",
        "batch_id": batch_id,
        "status": "delivery_running",
        "current_phase": "delivery",
        "progress": 0.5,
        "processed": 1,
        "success": 1,
        "failed": 0,
        "error_message": "",
        "updated_at": NOON_TEXT,
    } | fields


def operation(
    name: str,
    batch_id: str = "b1",
    **fields: Any,  # noqa: ANN401 - JSON
) -> dict[str, Any]:
    """Make the JSON of a ``batch_operation``."""
    return {
        "request_id": f"{name}-{batch_id}",
        "batch_id": batch_id,
        "operation": name,
        "reason": "a test",
        "operator_id": "operator-1",
        "requested_at": NOON_TEXT,
    } | fields


class ScriptedSubscription:
    """
    Implements ``ports.bus.Subscription``: the test gives, revokes and loses.

    ``positions`` are those finished and committed, ``told`` all that were finished.
    """

    def __init__(self, partitions: int = 1, topic: str = TOPIC) -> None:
        self.partitions = [Partition(topic, n) for n in range(partitions)]
        self.positions: dict[Partition, int] = {}
        self.told: list[tuple[Partition, int]] = []
        self.is_paused = False
        self.is_open = asyncio.Event()
        self.pauses = 0
        self.polled_at = 0.0
        self._held: list[Record] = []
        self._listener: Listener | None = None
        self._ends = dict.fromkeys(self.partitions, 0)
        self._is_joined = False

    async def open(self, listener: Listener) -> None:
        """See the port."""
        self._listener = listener
        self.assign()
        self.is_open.set()

    def assign(self) -> None:
        """Assign all partitions anew."""
        self._is_joined = True
        self._told_to.assigned(self.partitions)

    def give(self, *records: Record, partition: int = 0) -> list[Record]:
        """Append records to a partition and hand them over; paused, hold them back."""
        here = self.partitions[partition]
        placed = []
        for one in records:
            place = Place(here.topic, partition, self._ends[here])
            self._ends[here] += 1
            placed.append(
                msgspec.structs.replace(one, place=place, at_ms=one.at_ms or 1)
            )
        self.again(*placed)
        return placed

    def again(self, *placed: Record) -> None:
        """Hand records over that have their place already."""
        if self.is_paused:
            self._held += placed
        else:
            self._told_to.received(placed)

    async def revoke(self) -> None:
        """Take all partitions away in good order."""
        self._is_joined = False
        await self._told_to.revoked(self.partitions)

    def lose(self) -> None:
        """Take all partitions away: somebody else has them."""
        self._is_joined = False
        self._told_to.lost(self.partitions)

    def finish(self, positions: Mapping[Partition, int]) -> None:
        """See the port."""
        self.told += positions.items()
        self.positions |= positions

    def pause(self) -> None:
        """See the port."""
        self.is_paused = True
        self.pauses += 1

    def resume(self) -> None:
        """See the port."""
        self.is_paused = False
        asyncio.get_running_loop().call_soon(self._release)

    @property
    def state(self) -> SubscriptionState:
        """See the port."""
        return SubscriptionState(is_joined=self._is_joined, polled_at=self.polled_at)

    async def close(self) -> None:
        """See the port."""
        if self._is_joined:
            await self.revoke()

    def _release(self) -> None:
        while self._held and not self.is_paused:
            self._told_to.received([self._held.pop(0)])

    @property
    def _told_to(self) -> Listener:
        assert self._listener is not None  # noqa: S101 - open() comes first
        return self._listener


class ScriptedProducer:
    """
    Implements ``ports.bus.Producer``: answers by ``script``, remembers what it took.

    The script is asked once a record; None is an acknowledgement.
    """

    def __init__(
        self, script: Callable[[Outgoing], BrokerError | None] = lambda _: None
    ) -> None:
        self.script = script
        self.taken: list[Outgoing] = []
        self.pages = 0
        self.is_open = False

    async def open(self) -> None:
        """See the port."""
        self.is_open = True

    async def publish(self, records: Sequence[Outgoing]) -> list[BrokerError | None]:
        """See the port."""
        await asyncio.sleep(0)
        self.pages += 1
        errors = [self.script(one) for one in records]
        self.taken += [r for r, e in zip(records, errors, strict=True) if e is None]
        return errors

    async def close(self) -> None:
        """See the port."""
        self.is_open = False

    @property
    def event_ids(self) -> list[str]:
        """The ``ce_id`` of what was taken, in order."""
        return [event_id_of(one.record) for one in self.taken]


def event_id_of(one: Record) -> str:
    """Read ``ce_id``."""
    return (dict(one.headers).get("ce_id") or b"").decode()
