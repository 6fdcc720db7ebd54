"""Making a chunk of recipients ready to be submitted, and making its messages."""

from collections.abc import Collection, Iterable, Sequence
from itertools import repeat

import msgspec

from batchwire.domain import encoding, recipient, segments
from batchwire.domain.batch import BatchSpec, ListFormat
from batchwire.domain.counts import Counts, count
from batchwire.domain.ledger import (
    VERSION,
    ChunkState,
    Payload,
    Segment,
    pack,
    segment,
)
from batchwire.domain.outcome import Message, Outcome
from batchwire.domain.recipient_list import Rows
from batchwire.domain.template import Template

INVALID = "invalid"  # the error class of recipients that preparation refuses


class Prepared(msgspec.Struct, frozen=True):
    """
    A chunk that preparation made.

    ``parts`` is a byte per recipient; ``flaws`` say of a position why it cannot be sent,
    and has no parts.
    """

    payload: bytes
    parts: bytes
    flaws: dict[int, str]

    def ended(
        self, twice: Collection[int], at_ms: int
    ) -> tuple[Segment | None, Counts, int]:
        """
        Tell who is not open, where those at the positions ``twice`` are duplicates.

        Returns (None where all are open, the chunk's counts, the parts of who is open).
        """
        outcomes = bytearray(len(self.parts))
        for place in self.flaws:
            outcomes[place] = Outcome.INVALID
        for place in twice:
            outcomes[place] = Outcome.DUPLICATE
        parts = sum(self.parts) - sum(self.parts[place] for place in twice)
        places = sorted([*self.flaws, *twice])
        if not places:
            return None, count(outcomes), parts
        entries = [(place, outcomes[place], 0) for place in places]
        errors = {p: (INVALID, self.flaws[p]) for p in sorted(self.flaws)}
        return segment(at_ms, 0, entries, errors), count(outcomes), parts


class Recipe(msgspec.Struct, frozen=True):
    """
    How a batch makes messages of recipients.

    ``template`` is the batch's with everything filled that all recipients share;
    ``fallbacks`` are shared values for names that some recipients bring themselves.
    """

    template: Template
    fallbacks: dict[str, str]
    default_region: str | None
    smart_encoding: bool = False

    @classmethod
    def of(cls, spec: BatchSpec) -> "Recipe":
        """
        Give the recipe of a batch.

        The same at preparation, which counts parts, and at delivery, which renders.
        Raises nothing: intake has compiled the template before.
        """
        own = set(spec.list.columns)
        is_open = spec.list.format is ListFormat.JSONL
        shared = {
            name: value
            for name, value in spec.params.items()
            if not is_open and name not in own
        }
        return cls(
            template=Template.compile(spec.template).bind(shared),
            fallbacks=spec.params,
            default_region=spec.default_region or None,
            smart_encoding=spec.smart_encoding,
        )

    def prepare(self, rows: Rows) -> tuple[list[str], Prepared]:
        """
        Normalise numbers, fill parameters, render once to count parts, and pack.

        Returns the numbers, in order, and the chunk.
        """
        normalised = recipient.normalise(rows.numbers, self.default_region)
        columns, flaws = self._filled(rows)
        flaws |= rows.problems
        flaws.update(normalised.invalid)
        numbers = normalised.numbers
        parts = self._parts(_filled_out(columns), len(numbers))
        if 0 in parts:
            long = (i for i, n in enumerate(parts) if not n)
            flaws.update(dict.fromkeys(long, "too_many_parts"))
        for place in self._blank(rows, columns):
            flaws.setdefault(place, "empty_text")
        if flaws:
            counted = bytearray(parts)
            for place in flaws:
                counted[place] = 0
            parts = bytes(counted)
        payload = pack(Payload(VERSION, "\n".join(numbers), tuple(columns), parts))
        return numbers, Prepared(payload, parts, flaws)

    def _blank(
        self, rows: Rows, columns: Sequence[Sequence[str | None]]
    ) -> Iterable[int]:
        """Find whose text is blank, where the template has no text of its own."""
        own = "".join(self.template.literals)
        if (encoding.smart_encode(own).text if self.smart_encoding else own).strip():
            return ()
        texts = self._rendered(_filled_out(columns), len(rows.numbers))
        return (place for place, text in enumerate(texts) if not text.strip())

    def _parts(self, columns: Sequence[Sequence[str]], size: int) -> bytes:
        """
        Count the parts of each text; those that surely take one are not rendered.

        So it is with all whose values are of the basic alphabet, where the longest of
        the values would still leave room.
        """
        is_long = self.template.longest(columns) > segments.SINGLE
        if is_long or not encoding.are_basic(self.template.literals):
            return segments.count_all(self._rendered(columns, size))
        beyond: set[int] = set()
        for column in columns:
            if not encoding.are_basic(column):
                found = enumerate(encoding.outside_basic(column))
                beyond.update(place for place, rest in found if rest)
        places = sorted(beyond)
        parts = bytearray(b"\x01" * size)
        texts = self._rendered([[c[i] for i in places] for c in columns], len(places))
        for place, count_of in zip(places, segments.count_all(texts), strict=True):
            parts[place] = count_of
        return bytes(parts)

    def _rendered(self, columns: Sequence[Sequence[str]], size: int) -> list[str]:
        texts = self.template.render_columns(columns, size)
        if self.smart_encoding:
            return [encoding.smart_encode(text).text for text in texts]
        return texts

    def messages(
        self,
        stamp: tuple[str, int],
        chunk: Payload,
        state: ChunkState,
        places: Sequence[int],
    ) -> list[Message]:
        """
        Make the messages of some of a chunk, whose ``places`` in it ascend.

        ``stamp`` is (batch_id, position of the chunk's first recipient). None of them
        lacks a parameter: preparation has refused those.
        """
        batch_id, base = stamp
        numbers, columns, parts = chunk.numbers.split("\n"), chunk.columns, chunk.parts
        positions: Sequence[int] = range(base, base + len(numbers))
        if len(places) < len(numbers):
            positions = [base + p for p in places]
            numbers = [numbers[p] for p in places]
            columns = tuple([column[p] for p in places] for column in columns)
            parts = bytes(parts[p] for p in places)
        attempts: Iterable[int] = repeat(1)
        if state.has_attempts:
            attempts = [state.next_attempt(p) for p in places]
        texts = self._rendered(_filled_out(columns), len(numbers))
        return list(
            map(Message, repeat(batch_id), positions, attempts, numbers, texts, parts)
        )

    def _filled(self, rows: Rows) -> tuple[list[list[str | None]], dict[int, str]]:
        """Put shared values where a recipient brings none; say who still lacks one."""
        flaws: dict[int, str] = {}
        columns = rows.columns
        for at, (name, column) in enumerate(
            zip(self.template.names, columns, strict=True)
        ):
            if all(column) or None not in column:  # the first is cheaper
                continue
            if name in self.fallbacks:
                shared = self.fallbacks[name]
                columns[at] = [shared if v is None else v for v in column]
            else:
                for i, value in enumerate(column):
                    if value is None:
                        flaws.setdefault(i, f"missing_parameter:{name}")
        return columns, flaws


def _filled_out(columns: Sequence[Sequence[str | None]]) -> list[Sequence[str]]:
    """Put nothing where a value is missing; such a recipient is never sent to."""
    return [
        column if all(column) else [value or "" for value in column]  # type: ignore[misc]
        for column in columns
    ]
