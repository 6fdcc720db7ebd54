"""
The chunk ledger: how recipients and what became of them are packed.

A chunk's payload is written once, by preparation. What happens afterwards is appended
as segments; folding the segments of a chunk gives its state. Both are MessagePack,
compressed with Zstandard level 1; docs/reference/ledger.md documents version 1.
"""

from array import array
from collections.abc import Container, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import zstandard

from batchwire.domain.batch import OnUncertain
from batchwire.domain.outcome import Answer, Message, Outcome, Verdict
from batchwire.errors import StoreDamaged

VERSION = 1
REPEAT = 0x80  # attempt flag: the next submission repeats this attempt, same key
MAX_ATTEMPT = 0x7F

_ACCEPTED_BYTE = bytes([Outcome.ACCEPTED])


class Payload(msgspec.Struct, frozen=True, array_like=True):
    """
    The recipients of one chunk, by column.

    ``numbers`` are joined with newlines. ``columns`` stand beside the names of the
    template's own parameters, in its order; a missing value is null. ``parts`` is a
    byte per recipient, 0 where it cannot be sent.
    """

    version: int
    numbers: str
    columns: tuple[list[str | None], ...]
    parts: bytes


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """
    What became of some recipients of one chunk.

    ``positions`` are 0-based within the chunk, ascending, 16-bit little-endian; empty
    where they are contiguous from ``first``. ``outcomes`` and ``attempts`` are a byte
    each. ``ids`` are joined with newlines, empty where there is none at all.
    ``errors``: position → (class, code). ``fence`` names the lease that wrote it,
    ``at`` is Unix milliseconds.
    """

    version: int
    at: int
    fence: int
    first: int
    positions: bytes
    outcomes: bytes
    attempts: bytes
    ids: str = ""
    errors: dict[int, tuple[str, str]] = {}

    def places(self) -> Sequence[int]:
        """Give the positions, ascending."""
        if self.positions:
            return array("H", self.positions)
        return range(self.first, self.first + len(self.outcomes))


class _Outline(msgspec.Struct, frozen=True, array_like=True):
    """A payload whose columns are passed over."""

    version: int
    numbers: str
    columns: msgspec.Raw
    parts: bytes


T = TypeVar("T", Payload, Segment, _Outline)

_outline_decoder = msgspec.msgpack.Decoder(_Outline)
_payload_decoder = msgspec.msgpack.Decoder(Payload)
_segment_decoder = msgspec.msgpack.Decoder(Segment)
_encoder = msgspec.msgpack.Encoder()


def pack(value: Payload | Segment) -> bytes:
    """
    Encode and compress.

    Each call has a compressor of its own, for some 5 µs: one that two threads use at
    once ends the process ("one context per thread", zstd manual, Explicit context).
    """
    compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
    return compressor.compress(_encoder.encode(value))


def unpack_payload(data: bytes) -> Payload:
    """Read a payload back; ``StoreDamaged`` where it is none."""
    return _unpack(_payload_decoder, data)


def unpack_numbers(data: bytes) -> list[str]:
    """Read the numbers of a payload alone, for two thirds of the time."""
    return _unpack(_outline_decoder, data).numbers.split("\n")


def unpack_outline(data: bytes) -> tuple[list[str], bytes]:
    """Read the numbers and the parts of a payload."""
    outline = _unpack(_outline_decoder, data)
    return outline.numbers.split("\n"), outline.parts


def unpack_segment(data: bytes) -> Segment:
    """Read a segment back; ``StoreDamaged`` where it is none."""
    return _unpack(_segment_decoder, data)


def decompress(data: bytes) -> bytes:
    """
    Decompress what is stored: a chunk's, or a block of a list.

    Raises:
        StoreDamaged: it is nothing that was compressed.

    """
    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise _damaged(error) from error


def _unpack(decoder: msgspec.msgpack.Decoder[T], data: bytes) -> T:
    try:
        value = decoder.decode(decompress(data))
    except msgspec.MsgspecError as error:
        raise _damaged(error) from error
    if value.version != VERSION:
        raise _damaged(f"it is of version {value.version}")
    return value


def _damaged(error: object) -> StoreDamaged:
    problem = f"what is stored packed cannot be read ({error})"
    return StoreDamaged(f"{problem}; restore the database from a backup")


class ChunkState:
    """
    The folded state of one chunk: a byte of outcome and of attempt per recipient.

    ``recorded`` is what the segments say; ``closed_as`` is what everything that they
    leave open was ended with.
    """

    def __init__(
        self, size: int, segments: Iterable[Segment], closed_as: Outcome | None = None
    ) -> None:
        self.recorded = bytearray(size)
        self.attempts = bytearray(size)
        self.errors: dict[int, tuple[str, str]] = {}
        self.segments = list(segments)
        self.closed_as = closed_as
        for segment in self.segments:
            self._apply(segment)

    def _apply(self, segment: Segment) -> None:
        places, size = segment.places(), len(segment.outcomes)
        is_whole = len(places) == size == len(segment.attempts)
        if not is_whole or (size and places[-1] >= len(self.recorded)):
            raise _damaged(f"a segment of {size} does not fit its chunk")
        if segment.positions:
            for i, place in enumerate(places):
                self.recorded[place] = segment.outcomes[i]
                self.attempts[place] = segment.attempts[i]
        else:
            end = segment.first + len(segment.outcomes)
            self.recorded[segment.first : end] = segment.outcomes
            self.attempts[segment.first : end] = segment.attempts
        if self.errors:  # what was answered since is no error any more
            for place in places:
                self.errors.pop(place, None)
        self.errors.update(segment.errors)

    def outcomes(self) -> bytes:
        """Give where each recipient stands, a byte each."""
        if self.closed_as is None:
            return bytes(self.recorded)
        return bytes(self.recorded).replace(b"\0", bytes([self.closed_as]))

    def open_positions(self) -> Sequence[int]:
        """Positions that no segment ended, ascending."""
        if self.recorded.count(0) == len(self.recorded):
            return range(len(self.recorded))
        return [p for p, outcome in enumerate(self.recorded) if not outcome]

    def doubtful(self) -> list[int]:
        """Open positions whose last submission may have been accepted, ascending."""
        unsure = Verdict.UNCERTAIN.value
        known = self.errors.items()
        return sorted(p for p, e in known if e[0] == unsure and not self.recorded[p])

    def given_up(self, at_ms: int, fence: int) -> Segment | None:
        """Make the segment by which who is doubtful ends as uncertain; None: nobody."""
        places = self.doubtful()
        if not places:
            return None
        attempts = self.attempts
        return segment(
            at_ms,
            fence,
            [(p, Outcome.UNCERTAIN, attempts[p] & MAX_ATTEMPT) for p in places],
            {p: self.errors[p] for p in places},
        )

    @property
    def has_attempts(self) -> bool:
        """Whether anybody was submitted to before."""
        return self.attempts.count(0) < len(self.attempts)

    def next_attempt(self, position: int) -> int:
        """Which attempt the next submission is, counted from 1."""
        attempt = self.attempts[position]
        return attempt & MAX_ATTEMPT if attempt & REPEAT else attempt + 1

    def repeated(self) -> frozenset[int]:
        """Find the positions whose next submission repeats an attempt."""
        if not self.has_attempts:
            return frozenset()
        return frozenset(p for p, a in enumerate(self.attempts) if a & REPEAT)

    def unanswered(self, fence: int, intent: int) -> list[int]:
        """
        Find what a lost worker may have submitted without recording the answer.

        Under the lease ``fence`` it had intended every open position below ``intent``.
        """
        answered = {
            place
            for segment in self.segments
            if segment.fence == fence
            for place in segment.places()
        }
        return [p for p in self.open_positions() if p < intent and p not in answered]

    def times(self) -> dict[int, int]:
        """Find by position when what is known was recorded, Unix milliseconds."""
        return {p: one.at for one in self.segments for p in one.places()}

    def provider_ids(self) -> dict[int, str]:
        """Find the provider message id by position, the latest of several."""
        ids: dict[int, str] = {}
        for segment in self.segments:
            if segment.ids:
                pairs = zip(segment.places(), segment.ids.split("\n"), strict=True)
                ids.update((place, one) for place, one in pairs if one)
        return ids


def segment(
    at_ms: int,
    fence: int,
    entries: Sequence[tuple[int, int, int]],
    errors: dict[int, tuple[str, str]] | None = None,
) -> Segment:
    """Make a segment of (position, outcome, attempt), ascending by position."""
    places, outcomes, attempts = zip(*entries, strict=True)
    first, positions = _packed(places)
    return Segment(
        VERSION,
        at_ms,
        fence,
        first,
        positions,
        bytes(outcomes),
        bytes(attempts),
        "",
        errors or {},
    )


class Judge(msgspec.Struct, frozen=True):
    """
    Turns answers into outcomes by the rules of one batch.

    ``max_attempts`` is one more than ``max_retries``.
    """

    max_attempts: int
    on_uncertain: OnUncertain

    def outcome(
        self, message: Message, answer: Answer, *, repeated: bool, doubtful: bool
    ) -> tuple[Outcome, int]:
        """
        Decide the outcome byte and the attempt byte of one answered submission.

        ``repeated``: this submission already repeated an uncertain one. ``doubtful``:
        an earlier one may have been accepted; then only an acceptance ends the doubt.
        Throttled, connection and configuration never come here: they are no attempts.
        """
        attempt = min(message.attempt, MAX_ATTEMPT)
        if answer.verdict is Verdict.ACCEPTED:
            return Outcome.ACCEPTED, attempt
        is_lost = answer.verdict is Verdict.UNCERTAIN
        if is_lost or doubtful:
            if self.on_uncertain is OnUncertain.DROP:
                return Outcome.FAILED, attempt
            if self.on_uncertain is OnUncertain.RESEND and is_lost and not repeated:
                return Outcome.OPEN, attempt | REPEAT
            return Outcome.UNCERTAIN, attempt
        if answer.verdict is Verdict.TRANSIENT and attempt < self.max_attempts:
            return Outcome.OPEN, attempt
        return Outcome.FAILED, attempt

    def segment(
        self,
        stamp: tuple[int, int, int],
        messages: Sequence[Message],
        answers: Sequence[Answer],
        repeated: Container[int] = frozenset(),
        doubtful: Container[int] = frozenset(),
    ) -> Segment:
        """
        Pack the answers to messages of one chunk, in whatever order they came.

        ``stamp`` is (Unix milliseconds, fence, position of the chunk's first
        recipient); ``repeated`` and ``doubtful`` hold positions in the chunk, as
        ``outcome`` has them.
        """
        at_ms, fence, base = stamp
        positions = [message.position for message in messages]
        first, last = positions[0] - base, positions[-1] - base
        # Nearly always all from the first to the last, in their order.
        if last - first + 1 == len(positions) and positions == sorted(positions):
            places: Sequence[int] = range(first, last + 1)
        else:
            order = sorted(range(len(positions)), key=positions.__getitem__)
            places = [positions[i] - base for i in order]
            messages = [messages[i] for i in order]
            answers = [answers[i] for i in order]
        errors: dict[int, tuple[str, str]] = {}
        verdicts = [answer.verdict for answer in answers]
        if verdicts.count(Verdict.ACCEPTED) == len(verdicts):
            outcomes = _ACCEPTED_BYTE * len(answers)
            attempts = bytes([message.attempt for message in messages])
        else:
            judged = [
                self.outcome(m, a, repeated=p in repeated, doubtful=p in doubtful)
                for p, m, a in zip(places, messages, answers, strict=True)
            ]
            unsure = Verdict.UNCERTAIN.value
            outcomes = bytes(outcome for outcome, _ in judged)
            attempts = bytes(attempt for _, attempt in judged)
            errors = {
                p: (unsure if p in doubtful else a.verdict.value, a.error_code)
                for p, a in zip(places, answers, strict=True)
                if a.verdict is not Verdict.ACCEPTED
            }
        first, packed = _packed(places)
        own_ids = [answer.provider_message_id for answer in answers]
        ids = "\n".join(own_ids)
        if ids.count("\n") >= len(answers):  # one has a line break of its own
            ids = "\n".join(one.replace("\n", " ") for one in own_ids)
        return Segment(
            VERSION,
            at_ms,
            fence,
            first,
            packed,
            outcomes,
            attempts,
            ids if len(ids) >= len(answers) else "",
            errors,
        )


def _packed(places: Sequence[Any]) -> tuple[int, bytes]:
    """Give (first, positions) as a segment holds them; places ascend."""
    if places[-1] - places[0] + 1 == len(places):
        return places[0], b""
    return places[0], array("H", places).tobytes()
