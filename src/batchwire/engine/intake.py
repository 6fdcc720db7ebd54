"""
Intake: from a list and a request to a batch, in one pass over the list.

The list streams through in blocks of whole records, each checked and compressed; it is
stored under its own id, and only when all of it is durable does one transaction make a
batch of it. A list that breaks off, or breaks its format anywhere, leaves nothing behind.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from math import isfinite
from uuid import uuid4

import msgspec
import structlog
from zstandard import compress

from batchwire.domain import list_head, operations, recipient_list, segments
from batchwire.domain.batch import (
    Batch,
    BatchSpec,
    ListFormat,
    ListSpec,
    OnUncertain,
    Trace,
)
from batchwire.domain.csv_text import MAX_LINE_BYTES
from batchwire.domain.lifecycle import Status
from batchwire.domain.recipient import check_region
from batchwire.domain.template import Template
from batchwire.errors import (
    BrokenTemplate,
    MalformedMessage,
    UnknownBatch,
    UnreadableList,
)
from batchwire.ports.clock import Clock
from batchwire.ports.store import Store

BLOCK_BYTES = 256 * 1024
_BLOCKS_A_COMMIT = 16
_NO_TRACE = Trace()

log = structlog.get_logger()


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """
    What somebody asks for: ``BatchSpec`` before its list is read.

    ``source`` names the list in messages; ``number_column`` where a CSV's is not one of
    the usual names.
    """

    batch_id: str
    request_id: str
    template: str
    provider: str
    source: str = "the list"
    number_column: str = ""
    params: dict[str, str] = {}
    user_id: str = ""
    message_type: str = "template"
    default_region: str = ""
    schedule_time: datetime | None = None
    not_after: datetime | None = None
    priority: int = 5
    max_retries: int = 3
    timeout_s: int = 300
    rate_parts_per_s: float = 0.0
    on_uncertain: OnUncertain = OnUncertain.HOLD
    smart_encoding: bool = False
    chunk_size: int = 1000


class Intake:
    """Takes in lists. Several may run at once on one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def take(
        self,
        submission: Submission,
        data: AsyncIterator[bytes],
        *,
        via: str = "",
        trace: Trace = _NO_TRACE,
    ) -> tuple[Batch, bool]:
        """
        Store the list and create the batch; the same request again gives the first.

        ``via`` says how the request came, for the event log; a repeat may have another
        ``trace``.

        Returns the batch, and whether it is new.

        Raises:
            UnreadableList: the list cannot be read; says where.
            BrokenTemplate: the template cannot be used, or not with this list.
            MalformedMessage: a value cannot be; says which.
            BatchConflict: batch_id or request_id belong to another request.

        """
        template = checked(submission)
        if submission.default_region:
            check_region(submission.default_region)
        now = self._clock.now()
        # A batch_id may be twice as long as the id of a list.
        list_id = f"{submission.batch_id[:40]}.{uuid4().hex[:16]}"
        reading = Reading(list_id, submission.source, submission.number_column)
        is_used = False
        try:
            await self._store_blocks(reading, data)
            _check_template(template, submission, reading.spec)
            spec = _spec(submission, reading.spec, trace, now)
            batch, is_new = await self._create(spec, reading.digest(submission), via)
            is_used = is_new
        finally:
            if not is_used:
                await self._store.discard_list(list_id)
        log.info(
            "batch_request",
            batch_id=batch.spec.batch_id,
            request_id=batch.spec.request_id,
            is_new=is_new,
            records=reading.records,
        )
        return batch, is_new

    async def was_taken(self, submission: Submission) -> bool:
        """
        Whether this request made its batch already, whatever became of its list since.

        For a list that others keep: it may be gone, or longer by now.
        """
        try:
            batch = await self._store.batch(submission.batch_id)
        except UnknownBatch:
            return False
        spec = batch.spec
        is_same = spec == _spec(submission, spec.list, spec.trace, spec.created_at)
        return is_same and spec.list.source == submission.source

    async def _store_blocks(
        self, reading: "Reading", data: AsyncIterator[bytes]
    ) -> None:
        stored, ready = 0, list[bytes]()
        storing: asyncio.Task[None] | None = None
        try:
            async for piece in data:
                ready += reading.feed(piece)
                await asyncio.sleep(0)
                if len(ready) >= _BLOCKS_A_COMMIT:
                    if storing is not None:
                        await storing
                    storing = asyncio.create_task(
                        self._store_some(reading.list_id, stored, ready)
                    )
                    stored += len(ready)
                    ready = []
            ready += reading.finish()
            if storing is not None:
                await storing
            if ready:
                await self._store_some(reading.list_id, stored, ready)
        finally:
            if storing is not None:
                await asyncio.gather(storing, return_exceptions=True)

    async def _store_some(
        self, list_id: str, first: int, blocks: Sequence[bytes]
    ) -> None:
        packed = await asyncio.to_thread(lambda: [compress(one, 1) for one in blocks])
        await self._store.add_list_blocks(list_id, first, packed)

    async def _create(
        self, spec: BatchSpec, digest: bytes, via: str
    ) -> tuple[Batch, bool]:
        early = spec.schedule_time is not None and spec.schedule_time > spec.created_at
        status = Status.SCHEDULED if early else Status.PREPARATION_READY
        fact = operations.created(status, spec, via=via)
        return await self._store.create(spec, digest, (fact,))


def checked(submission: Submission) -> Template:
    """
    Return the template.

    Raises:
        MessageError: no recipient could be sent what is asked for.

    """
    template = Template.compile(submission.template)
    if not submission.template.strip():
        raise BrokenTemplate("is blank; write the text of the message")
    parts = segments.count("".join(template.literals)).parts
    if parts > segments.MAX_PARTS:
        raise BrokenTemplate(
            f"takes {parts} parts before anything is filled in; at most"
            f" {segments.MAX_PARTS} can be sent, so shorten it"
        )
    if not isfinite(submission.rate_parts_per_s):
        raise MalformedMessage("rate_parts_per_s", "must be a finite number")
    first, last = submission.schedule_time, submission.not_after
    if first is not None and last is not None and last <= first:
        problem = f"is not after schedule_time ({first}), so nothing could be sent"
        raise MalformedMessage("not_after", problem)
    return template


def _spec(
    submission: Submission, list_spec: ListSpec, trace: Trace, now: datetime
) -> BatchSpec:
    fields = msgspec.structs.asdict(submission)
    for name in ("source", "number_column"):
        del fields[name]
    return BatchSpec(**fields, list=list_spec, trace=trace, created_at=now)


class Reading:
    """
    A list on its way in: bytes go in, checked blocks of whole records come out.

    ``source`` and ``number_column`` as in ``Submission``. ``line`` is the one behind
    the blocks, from 1.
    """

    def __init__(self, list_id: str, source: str, number_column: str = "") -> None:
        self._source = source
        self._number_column = number_column
        self._hash = hashlib.sha256()
        self._buffer = b""
        self._described: ListSpec | None = None
        self.list_id = list_id
        self.line = 1
        self.records = 0
        self.blocks = 0

    @property
    def spec(self) -> ListSpec:
        """How the list is to be read, and how many records it has."""
        return msgspec.structs.replace(
            self._describe(), records=self.records, blocks=self.blocks
        )

    def feed(self, piece: bytes) -> list[bytes]:
        """Take further bytes; returns the blocks that are whole."""
        self._hash.update(piece)
        self._buffer += piece
        is_whole = b"\n" in self._buffer or len(self._buffer) > MAX_LINE_BYTES
        if len(self._buffer) < BLOCK_BYTES or not is_whole:
            return []
        if self._described is None and self._step_over_blank_lines():
            return []
        described = self._describe()
        end = recipient_list.cut(
            self._buffer, is_csv=described.format is ListFormat.CSV
        )
        if not end and len(self._buffer) > MAX_LINE_BYTES:
            raise self._too_long()
        block, self._buffer = self._buffer[:end], self._buffer[end:]
        return [self._checked(block)] if block else []

    def finish(self) -> list[bytes]:
        """Take the end of the list; returns the last block."""
        self._describe()
        block, self._buffer = self._buffer, b""
        blocks = [self._checked(block)] if block else []
        if not self.records:
            raise self._empty()
        return blocks

    def digest(self, submission: Submission) -> bytes:
        """Tell one request's content from another's (SHA-256)."""
        asked = msgspec.structs.replace(submission, source="")
        self._hash.update(msgspec.json.encode(asked, order="deterministic"))
        return self._hash.digest()

    def _step_over_blank_lines(self) -> bool:
        """Whether all lines that the list begins with are blank, and stepped over."""
        head = list_head.without_mark(self._buffer, self._source)
        end = recipient_list.cut(head, is_csv=False)
        if not end or head[:end].strip():
            return False
        self.line += head.count(b"\n")
        self._buffer = head[end:]
        return True

    def _describe(self) -> ListSpec:
        """Find out the format at the head, and step over a CSV's header."""
        if self._described is not None:
            return self._described
        head = list_head.without_mark(self._buffer, self._source)
        if b"\r" in head and b"\n" not in head:
            raise self._unreadable(
                "has line ends of CR alone, as of old Macs",
                "Save it with LF or CRLF (for example: tr '\\r' '\\n')",
            )
        end = recipient_list.cut(head, is_csv=False)
        if not end and len(head) > MAX_LINE_BYTES:
            raise self._too_long()
        text = recipient_list.text_of(
            head[: end or None], first_line=self.line, source=self._source
        )
        if not text.strip():
            raise self._empty()
        self._described = list_head.describe(
            text, self.list_id, self._source, self._number_column
        )
        if self._described.format is ListFormat.CSV:
            length = list_head.header_bytes(text, self._described.delimiter)
            self.line += head.count(b"\n", 0, length)
            head = head[length:]
        self._described = msgspec.structs.replace(self._described, first_line=self.line)
        self._buffer = head
        return self._described

    def _checked(self, block: bytes) -> bytes:
        spec = self._describe()
        text = recipient_list.text_of(block, first_line=self.line, source=spec.source)
        self.records += recipient_list.check(text, spec, self.line)
        self.line += text.count("\n")
        self.blocks += 1
        return block

    def _too_long(self) -> UnreadableList:
        return self._unreadable(
            f"a record is longer than {MAX_LINE_BYTES:,} bytes",
            "Check that lines end with a newline and quotes are closed",
            self.line,
        )

    def _empty(self) -> UnreadableList:
        return self._unreadable("has no recipients", "Give at least one recipient")

    def _unreadable(self, problem: str, remedy: str, line: int = 0) -> UnreadableList:
        return UnreadableList(problem, remedy=remedy, line=line, source=self._source)


def _check_template(template: Template, submission: Submission, spec: ListSpec) -> None:
    """Refuse a template that no recipient of the list can fill."""
    if spec.format is ListFormat.JSONL:
        return
    known = {*spec.columns, *submission.params}
    lacking = [name for name in template.names if name not in known]
    if lacking:
        columns = list_head.shown(spec.columns)
        problem = (
            f"needs {{{{{lacking[0]}}}}}, but {spec.source} has no such column"
            f" (columns: {columns}) and no --param {lacking[0]}=… was given"
        )
        raise BrokenTemplate(problem)
