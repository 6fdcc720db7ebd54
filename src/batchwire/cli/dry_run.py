"""What a batch would be: intake and preparation in a database that is thrown away."""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from batchwire.bootstrap import App, opened
from batchwire.cli import output, views
from batchwire.config import Settings
from batchwire.domain import segments
from batchwire.domain.batch import Batch
from batchwire.domain.chunk import Recipe
from batchwire.domain.counts import named
from batchwire.domain.encoding import Encoding, smart_encode
from batchwire.domain.ledger import unpack_payload
from batchwire.domain.lifecycle import Status
from batchwire.domain.outcome import Message
from batchwire.domain.rationing import of_provider
from batchwire.engine.intake import Submission, checked
from batchwire.engine.preparation import Preparation
from batchwire.errors import MessageError, StoreError

_SAMPLES = 1000
_CULPRITS = 20
_OWNER = "dry-run"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The first text of an encoding, and how many of the texts looked at have it."""

    encoding: str
    parts: int
    text: str
    count: int


class Beyond(msgspec.Struct, frozen=True, kw_only=True):
    """
    Whose text, of those looked at, is not GSM-7.

    ``characters`` are those that keep it out, also after smart encoding; where there
    are none, smart encoding would bring it in.
    """

    to: str
    characters: str


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One who is invalid; ``position`` is the 0-based place in the list."""

    position: int
    number: str


class Found(msgspec.Struct, kw_only=True):
    """
    What a dry run found. ``duration_s`` is None where nothing limits the rate.

    ``invalid`` and ``invalid_examples``, the first of each, are by reason.
    """

    batch_id: str
    provider: str
    recipients: int
    counts: dict[str, int]
    parts: int
    invalid: dict[str, int]
    invalid_examples: dict[str, Example]
    recipients_by_parts: dict[int, int]
    samples: list[Sample]
    outside_gsm7: list[Beyond]
    rate_parts_per_s: float
    duration_s: float | None
    schedule_time: datetime | None = None
    not_after: datetime | None = None


@contextmanager
def elsewhere(settings: Settings) -> Iterator[Settings]:
    """Give the same settings on a fresh database, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="batchwire-") as folder:
        url = f"sqlite:///{folder}/dry-run.db"
        yield settings.model_copy(update={"database_url": url})


async def run(
    app: App, settings: Settings, asked: Submission, data: AsyncIterator[bytes]
) -> Found:
    """
    Prepare and count; nothing is submitted.

    ``settings`` are those that would be sent by: their database knows who is suppressed.

    Raises:
        MessageError: nothing could be sent, or preparation cannot use the list.

    """
    checked(asked)
    at_once = msgspec.structs.replace(asked, schedule_time=None)
    batch, _ = await app.intake.take(at_once, data)
    views.warn_of_single_braces(batch)
    batch_id = batch.spec.batch_id
    await Preparation(app.store, app.clock, batch, _OWNER).run()
    batch = await app.store.batch(batch_id)
    if batch.state.status is Status.PREPARATION_FAILED:
        raise MessageError(batch.state.reason)
    async with _real(settings) as real:
        found = await _found(app, batch, real)
    found.schedule_time, found.not_after = asked.schedule_time, asked.not_after
    return found


@asynccontextmanager
async def _real(settings: Settings) -> AsyncIterator[App | None]:
    """Open the database in which the batch would be made; None where there is none."""
    real: App | None = None
    async with AsyncExitStack() as stack:
        if _has_database(settings):
            try:
                real = await stack.enter_async_context(opened(settings))
            except StoreError as error:
                output.note(
                    "note: who is suppressed, and what rate was set, cannot be looked"
                    f" up: {error}"
                )
        yield real


def _has_database(settings: Settings) -> bool:
    return not settings.database_path or Path(settings.database_path).exists()


async def _found(app: App, batch: Batch, real: App | None) -> Found:
    invalid: Counter[str] = Counter()
    examples: dict[str, Example] = {}
    by_parts: Counter[int] = Counter()
    counts = named(batch.counts)
    looked_at: list[Message] = []
    async for chunk in app.store.chunks(batch.spec.batch_id):
        payload = unpack_payload(chunk.payload)
        parts, ready = payload.parts, chunk.state.open_positions()
        numbers = payload.numbers.split("\n")
        base = chunk.number * batch.spec.chunk_size
        for place, (_, why) in chunk.state.errors.items():
            invalid[why] += 1
            if why not in examples:
                examples[why] = Example(position=base + place, number=numbers[place])
        gone = await real.store.suppressed(numbers) if real else set()
        places = [place for place in ready if numbers[place] not in gone]
        counts["suppressed"] += len(ready) - len(places)
        by_parts.update(parts[place] for place in places)
        if not looked_at:
            looked_at = Recipe.of(batch.spec).messages(
                ("", 0), payload, chunk.state, places[:_SAMPLES]
            )
    groups: dict[Encoding, list[Message]] = {}
    for one in looked_at:
        groups.setdefault(segments.count(one.text).encoding, []).append(one)
    name = batch.spec.provider
    kept = (await real.store.rates()).rates.get(of_provider(name)) if real else None
    given = app.providers[name].traits.rate_parts_per_s
    holds = kept.parts_per_s if kept else given
    rate = min(filter(None, (batch.spec.rate_parts_per_s, holds)), default=0.0)
    counts["open"] -= counts["suppressed"]
    total = sum(parts * count for parts, count in by_parts.items())
    return Found(
        batch_id=batch.spec.batch_id,
        provider=name,
        recipients=sum(batch.counts),
        counts=counts,
        parts=total,
        invalid=dict(invalid.most_common()),
        invalid_examples=examples,
        recipients_by_parts=dict(sorted(by_parts.items())),
        samples=[_sample(encoding, them) for encoding, them in groups.items()],
        outside_gsm7=[_beyond(one) for one in groups.get(Encoding.UCS2, ())],
        rate_parts_per_s=rate,
        duration_s=round(total / rate, 1) if rate else None,
    )


def _sample(encoding: Encoding, messages: list[Message]) -> Sample:
    first = messages[0]
    return Sample(
        encoding=encoding, parts=first.parts, text=first.text, count=len(messages)
    )


def _beyond(message: Message) -> Beyond:
    return Beyond(to=message.to, characters=smart_encode(message.text).unmapped)


def tell(found: Found, *, as_json: bool) -> None:
    """Print what was found."""
    if as_json:
        output.as_json(found)
        return
    rows = [
        ["recipients", f"{found.recipients:,}"],
        ["would be sent", f"{found.counts['open']:,}"],
        ["duplicates", f"{found.counts['duplicate']:,}"],
        ["suppressed", f"{found.counts['suppressed']:,}"],
        ["invalid", f"{found.counts['invalid']:,}"],
        *[
            [f"  {why}", f"{count:,}, such as {_shown(found.invalid_examples[why])}"]
            for why, count in found.invalid.items()
        ],
        ["parts", f"{found.parts:,}"],
        *[
            [f"  messages of {_parts(parts)}", f"{count:,}"]
            for parts, count in found.recipients_by_parts.items()
        ],
        ["provider", found.provider],
        ["duration", _duration(found)],
        *[
            [what, output.moment(when)]
            for what, when in (
                ("not before", found.schedule_time),
                ("not after", found.not_after),
            )
            if when is not None
        ],
    ]
    output.table(["dry run", "nothing was sent"], rows)
    looked_at = sum(sample.count for sample in found.samples)
    for one in found.samples:
        output.line(
            f"{one.encoding}: {one.count:,} of the first {looked_at:,}, such as"
            f" ({_parts(one.parts)}) {one.text!r}"
        )
    culprits = Counter("".join(one.characters for one in found.outside_gsm7))
    if culprits:
        told = ", ".join(
            f"{c if c.isprintable() else ascii(c)} ({n:,})"
            for c, n in culprits.most_common(_CULPRITS)
        )
        output.line(f"outside gsm7 for good: {told}")
    if spared := sum(not one.characters for one in found.outside_gsm7):
        output.line(f"--smart-encoding would bring {spared:,} of them into gsm7")


def _parts(count: int) -> str:
    return f"{count} part" if count == 1 else f"{count} parts"


def _shown(example: Example) -> str:
    return f"{example.number!r} at position {example.position:,}"


def _duration(found: Found) -> str:
    if found.duration_s is None:
        return "as fast as the provider takes them: no rate is set"
    told = output.duration(found.duration_s)
    return f"about {told} at {found.rate_parts_per_s:,g} parts/s"
