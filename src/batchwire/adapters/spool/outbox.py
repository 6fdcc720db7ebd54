"""The spool as an outbox: what others left first, then what this process keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from batchwire.adapters.spool.backlog import Backlog
from batchwire.adapters.spool.folder import Folder
from batchwire.adapters.spool.leftover import Leftover
from batchwire.adapters.spool.spool import Spool
from batchwire.ports.bus import Outgoing
from batchwire.ports.clock import Clock
from batchwire.ports.outbox import Depth, Pending

PAGE = 200  # events read at once: so long at most we keep the interpreter to ourselves

# A position is the number of an event and, above it, that of its folder: those taken
# over 1, 2, 3 …, our own the largest, so that positions ascend in the order of sending.
_SHIFT = 48
_OWN = 1 << 14

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Taken:
    left: Leftover
    backlog: Backlog


class SpoolOutbox:
    """
    Implements ``ports.host_outbox.HostOutbox`` for one relay, whatever its owner.

    Its shards are folders: ours, and those of processes that are gone.
    """

    def __init__(self, directory: Path, own: Spool, clock: Clock) -> None:
        self._directory = directory
        self._own = own
        self._clock = clock
        self._backlog = Backlog(own, 0)
        self._taken: dict[int, _Taken] = {}
        self._numbers = 0

    @property
    def waiting_rows(self) -> int:
        """How many events are not sent, of all folders that are ours."""
        taken = list(self._taken.values())
        return self._own.waiting + sum(one.left.waiting for one in taken)

    @property
    def kept(self) -> int:
        """How many events this process has kept."""
        return self._own.end

    @property
    def problem(self) -> str:
        """Why a killed process would lose events now; empty where it would not."""
        return self._own.problem

    def append(self, outgoing: Outgoing) -> None:
        """
        Keep a record behind all others; for any thread.

        Raises:
            SpoolFull: it is not kept.

        """
        self._own.append(outgoing)

    def leave(self) -> None:
        """Let go of everything in a forked child: it stays the parent's."""
        self._own.leave()
        for one in self._taken.values():
            one.left.leave()

    async def add(self, records: Sequence[Outgoing]) -> list[int]:
        """Keep records behind all others, with nobody's in between."""
        first = self._own.end
        for one in records:
            self._own.append(one)
        return [_position(_OWN, number) for number in range(first, self._own.end)]

    async def lease(self, owner: str) -> int:
        """Take over the folders of processes that are gone."""
        try:
            for folder in Folder.abandoned(self._directory):
                self._take(Leftover(folder), owner)
        except OSError as error:
            log.warning("spool_unreadable", error=str(error))
        return 1 + len(self._taken)

    async def release(self, owner: str) -> None:
        """Let go of all folders; those where nothing waits are removed."""
        del owner
        for one in self._taken.values():
            one.left.close()
        self._taken.clear()
        self._own.close()

    async def pending(self, owner: str, most: int) -> list[Pending]:
        """Read the oldest folder that has something; nobody else reads it."""
        del owner
        self._own.settle()
        most = min(most, PAGE)
        for folder, one in list(self._taken.items()):
            if found := _pending(folder, one.backlog, most):
                return found
            del self._taken[folder]
            one.left.close()
        return _pending(_OWN, self._backlog, most)

    async def done(self, owner: str, pending: Sequence[Pending]) -> int:
        """Forget what was published."""
        del owner
        numbers: dict[int, list[int]] = {}
        for one in pending:
            folder, number = divmod(one.position, 1 << _SHIFT)
            numbers.setdefault(folder, []).append(number)
        return sum(self._backlog_of(f).sent(sent) for f, sent in numbers.items())

    async def refuse(self, owner: str, pending: Pending, reason: str) -> None:
        """Forget what can never be published: a host has no dead letters of ours."""
        key = pending.outgoing.record.key or b""
        batch_id = key.decode(errors="replace")
        log.error("Failed to publish", batch_id=batch_id, error=reason)
        await self.done(owner, [pending])

    async def waiting(self, positions: Sequence[int]) -> set[int]:
        """Which of these, all from ``add``, still wait."""
        sent = self._own.end - self._own.waiting
        return {p for p in positions if p % (1 << _SHIFT) >= sent}

    async def depth(self) -> Depth:
        """How much waits."""
        oldest = await self.pending("", 1)
        if not oldest:
            return Depth()
        folder, number = divmod(oldest[0].position, 1 << _SHIFT)
        kept = dict(self._backlog_of(folder).oldest(1))[number]
        age_s = max(0.0, self._clock.now().timestamp() - kept.at_ms / 1000)
        return Depth(rows=self.waiting_rows, oldest_s=age_s)

    def _take(self, left: Leftover, owner: str) -> None:
        if not left.waiting:
            left.close()
            return
        self._numbers += 1
        self._taken[self._numbers] = _Taken(left, Backlog(left, left.start))
        log.info("spool_taken_over", owner=owner, count=left.waiting)

    def _backlog_of(self, folder: int) -> Backlog:
        return self._backlog if folder == _OWN else self._taken[folder].backlog


def _pending(folder: int, backlog: Backlog, most: int) -> list[Pending]:
    oldest = backlog.oldest(most)
    return [Pending(_position(folder, n), kept.outgoing) for n, kept in oldest]


def _position(folder: int, number: int) -> int:
    return folder << _SHIFT | number
