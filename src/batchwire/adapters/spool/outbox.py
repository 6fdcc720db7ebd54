"""The spool as an outbox: what others left first, then what this process keeps."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from batchwire.adapters.spool.backlog import Backlog
from batchwire.adapters.spool.folder import Folder
from batchwire.adapters.spool.leftover import Leftover
from batchwire.adapters.spool.spool import Spool
from batchwire.domain.record import Record
from batchwire.ports.bus import Outgoing
from batchwire.ports.outbox import Pending

PAGE = 200  # events read at once: so long at most we keep the interpreter to ourselves

# A position is the number of an event and, above it, that of its folder: those taken
# over 1, 2, 3 …, our own the largest, so that positions ascend in the order of sending.
_SHIFT = 48
_OWN = 1 << 14

Read = Callable[[bytes], Outgoing | None]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Taken:
    left: Leftover
    backlog: Backlog


class SpoolOutbox:
    """
    Implements ``ports.host_outbox.HostOutbox``.

    ``read`` gives the record of a report, or None where there can be none. The shards
    are folders: ours, and those of processes that are gone.
    """

    def __init__(self, directory: Path, own: Spool, read: Read) -> None:
        self._directory = directory
        self._own = own
        self._read = read
        self._backlog = Backlog(own, 0)
        self._taken: dict[int, _Taken] = {}
        self._numbers = 0
        self._unusable = 0
        self._damaged = 0

    @property
    def kept(self) -> int:
        """How many reports this process has kept."""
        return self._own.end

    @property
    def lost(self) -> int:
        """How many were kept, and made no record or could not be read again."""
        damaged = sum(one.backlog.lost for one in list(self._taken.values()))
        return self._unusable + self._damaged + damaged + self._backlog.lost

    @property
    def waiting_rows(self) -> int:
        """How many are not sent, those taken over among them."""
        taken = list(self._taken.values())
        return self._own.waiting + sum(one.left.waiting for one in taken)

    @property
    def problem(self) -> str:
        """Why a killed process would lose reports now; empty where it would not."""
        return self._own.problem

    def append(self, report: bytes) -> None:
        """
        Keep a report behind all others; for any thread.

        Raises:
            SpoolFull: it is not kept.

        """
        self._own.append(report)

    def leave(self) -> None:
        """Let go of everything in a forked child: it stays the parent's."""
        self._own.leave()
        for one in self._taken.values():
            one.left.leave()

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

    async def pending(
        self, owner: str, most: int, *, without: Collection[str] = ()
    ) -> list[Pending]:
        """Read the oldest folder that has something; nobody else reads it."""
        del owner
        self._own.settle()
        for folder, one in list(self._taken.items()):
            if found := self._records(folder, one.backlog, most):
                if some := _others(found, without):
                    return some
                continue
            self._damaged += one.backlog.lost
            del self._taken[folder]
            one.left.close()
        return _others(self._records(_OWN, self._backlog, most), without)

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
        self._unusable += await self.done(owner, [pending])

    def _take(self, left: Leftover, owner: str) -> None:
        if not left.waiting:
            left.close()
            return
        self._numbers += 1
        self._taken[self._numbers] = _Taken(left, Backlog(left, left.start))
        log.info(
            "spool_taken_over",
            owner=owner,
            count=left.waiting,
            cut_bytes=left.cut_bytes,
        )

    def _backlog_of(self, folder: int) -> Backlog:
        return self._backlog if folder == _OWN else self._taken[folder].backlog

    def _records(self, folder: int, backlog: Backlog, most: int) -> list[Pending]:
        """Make records of the oldest reports; those of which none can be are gone."""
        found: list[Pending] = []
        while not found and (oldest := backlog.oldest(min(most, PAGE))):
            unusable = []
            for number, report in oldest:
                outgoing = self._read(report)
                if outgoing is None:
                    unusable.append(number)
                else:
                    position, topic = folder << _SHIFT | number, outgoing.topic
                    record = outgoing.record
                    found.append(Pending(position, topic, partial(_same, record)))
            if unusable:
                self._unusable += backlog.sent(unusable)
        return found


def _same(record: Record) -> Record:
    return record


def _others(found: list[Pending], without: Collection[str]) -> list[Pending]:
    """Pass over the records of topics that rest."""
    return [one for one in found if one.topic not in without]
