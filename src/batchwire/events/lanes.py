"""
Lanes: what is received and not finished, one first-in-first-out lane a key.

The same key is never worked on twice at once; different keys go side by side, also
inside one partition. A plain data structure: it waits for nothing and calls nobody.
"""

from collections import deque
from collections.abc import Callable

import msgspec

from batchwire.domain.record import Record
from batchwire.events.arrivals import Received
from batchwire.events.members import Member


class Item(msgspec.Struct, eq=False):
    """
    One event in its lane; ``attempts`` made so far.

    ``member`` received it; None where it comes from the retry table, which has it as
    ``parked_id`` since ``first_at_s``, Unix seconds. ``may_follow``: it may be taken
    while effects of earlier ones of its key are written.
    """

    received: Received
    key: bytes
    member: Member | None = None
    may_follow: bool = False
    attempts: int = 0
    parked_id: int = 0
    first_at_s: float = 0.0
    received_at: float = 0.0  # monotonic seconds, and so is
    taken_at: float = 0.0  # when it was first taken out of its lane


class Lanes:
    """
    All lanes.

    A lane is *ready* when it has items and its head is not worked on; it *rests* while
    its head waits to be tried again. Items whose effects are *written* have left it:
    they have their place in the order. Until they are finished it is *held* if its head
    may not follow.
    ``count`` and ``size_bytes`` are those of everything not finished.
    """

    def __init__(self) -> None:
        self._lanes: dict[bytes, deque[Item]] = {}
        self._ready: deque[bytes] = deque()
        self._resting: set[bytes] = set()
        self._held: set[bytes] = set()
        self._written: dict[bytes, list[Item]] = {}
        self.count = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        """How many keys have something that waits or runs."""
        return len(self._lanes)

    @property
    def has_ready(self) -> bool:
        """Whether ``take`` gives an item."""
        return bool(self._ready)

    @property
    def oldest_at(self) -> float | None:
        """When the oldest unfinished event was received; None where there is none."""
        every = (*self._written.values(), *self._lanes.values())
        return min((some[0].received_at for some in every), default=None)

    def push(self, item: Item) -> None:
        """Add an item at the end of its lane."""
        lane = self._lanes.get(item.key)
        if lane is None:
            self._lanes[item.key] = deque((item,))
            self._offer(item)
        else:
            lane.append(item)
        self.count += 1
        self.size_bytes += _size(item.received.record)

    def take(self) -> Item:
        """Give the head of the lane that is ready longest; its lane is busy now."""
        return self._lanes[self._ready.popleft()][0]

    def rest(self, item: Item) -> None:
        """Note that the head of a busy lane is not worked on until ``again``."""
        self._resting.add(item.key)

    def again(self, item: Item) -> None:
        """Let a head that rests be taken again; nothing where it was forgotten."""
        if item.key in self._resting and self._lanes[item.key][0] is item:
            self._resting.discard(item.key)
            self._ready.append(item.key)

    def write(self, item: Item) -> None:
        """Note that the effect of the head of a busy lane is written from now on."""
        self._written.setdefault(item.key, []).append(item)
        self._leave(item.key)

    def finish(self, item: Item) -> None:
        """Forget the head of a busy lane, or an item that is written."""
        key = item.key
        written = self._written.get(key, ())
        if item not in written:
            self._leave(key)
        elif len(written) > 1:
            self._written[key].remove(item)
        else:
            del self._written[key]
            if key in self._held:
                self._held.discard(key)
                self._ready.append(key)
        self._forget(item)

    def drop(self, is_meant: Callable[[Item], bool]) -> None:
        """Forget the items that are meant; what is worked on or written stays."""
        running = {item.key: item for item in self._running()}
        for key, lane in list(self._lanes.items()):
            head = lane[0]
            kept = [i for i in lane if i is running.get(key) or not is_meant(i)]
            for item in lane:
                if item is not running.get(key) and is_meant(item):
                    self._forget(item)
            self._lanes[key] = deque(kept)
            waits = key in self._resting or key in self._held
            if not kept:
                del self._lanes[key]
            if waits and (not kept or kept[0] is not head):
                self._resting.discard(key)
                self._held.discard(key)
                if kept:
                    self._offer(kept[0])
        self._ready = deque(key for key in self._ready if key in self._lanes)

    def busy(self) -> list[Item]:
        """Give the items that are worked on or written."""
        written = [item for items in self._written.values() for item in items]
        return self._running() + written

    def _running(self) -> list[Item]:
        idle = self._resting.union(self._held, self._ready)
        return [lane[0] for key, lane in self._lanes.items() if key not in idle]

    def _offer(self, head: Item) -> None:
        """Let the new head of a lane be taken, as soon as it may."""
        if head.may_follow or head.key not in self._written:
            self._ready.append(head.key)
        else:
            self._held.add(head.key)

    def _leave(self, key: bytes) -> None:
        """Remove the head of a busy lane."""
        lane = self._lanes[key]
        lane.popleft()
        if lane:
            self._offer(lane[0])
        else:
            del self._lanes[key]

    def _forget(self, item: Item) -> None:
        self.count -= 1
        self.size_bytes -= _size(item.received.record)


def _size(record: Record) -> int:
    return len(record.value or b"")
