"""Dead letters as commands show them, and the options that choose them."""

import re
from typing import Annotated, Any

import msgspec
import typer

from batchwire.bootstrap import App
from batchwire.cli import output
from batchwire.cli.options import WHOLE
from batchwire.cli.values import time_of
from batchwire.domain.dead_letter import DeadLetter, Disposition
from batchwire.ports.dead_letters import Filter

Ids = Annotated[
    list[int] | None,
    typer.Argument(metavar="[ID]...", max=WHOLE, help="As `dlq list` shows."),
]
OfBatch = Annotated[str, typer.Option("--batch", help="Only those of this batch.")]
OfDisposition = Annotated[
    Disposition | None, typer.Option("--disposition", help="Only those given up so.")
]
Since = Annotated[
    str, typer.Option("--since", help="Only those given up since then (RFC 3339).")
]
Everything = Annotated[
    bool,
    typer.Option("--everything", help="All that wait, where nothing else is said."),
]

# Seven digits and more; what looks like a time or a UUID is none.
_NUMBER = re.compile(
    r"(?P<other>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d:\d\d)?)"
    r"|\+?\(?\d(?:[ ()./-]{0,2}\d){6,}",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\u00([2-7][0-9a-f])", re.IGNORECASE)
_SHOWN = 3  # characters left at the head and at the end of a number


def chosen(
    ids: list[int] | None, batch_id: str, disposition: Disposition | None, since: str
) -> Filter:
    """Make the filter of what was given."""
    return Filter(
        ids=tuple(ids or ()),
        batch_id=batch_id,
        disposition=disposition,
        since=time_of("--since", since),
    )


async def must_exist(app: App, wanted: Filter) -> None:
    """
    Refuse ids of which there is no dead letter.

    Raises:
        BadParameter: names the first.

    """
    every = Filter(ids=wanted.ids, include_redriven=True)
    found = await app.events.dead_letters.find(every) if wanted.ids else []
    for lacking in sorted(set(wanted.ids) - {one.id for one in found}):
        problem = f"there is no dead letter {lacking}; `batchwire dlq list` shows them"
        raise typer.BadParameter(problem)


def meant(wanted: Filter, *, everything: bool) -> Filter:
    """
    Take the filter where it says anything.

    Raises:
        BadParameter: it does not, and nobody said that all are meant.

    """
    if wanted == Filter() and not everything:
        problem = "name dead letters, or filter them, or say --everything"
        raise typer.BadParameter(problem)
    return wanted


def masked(text: str) -> str:
    """Mask whatever may be a telephone number; rather too much than too little."""

    def mask(found: re.Match[str]) -> str:
        if found["other"]:
            return found[0]
        hidden = "*" * (len(found[0]) - 2 * _SHOWN)
        return found[0][:_SHOWN] + hidden + found[0][-_SHOWN:]

    return _NUMBER.sub(mask, text)


def state(letter: DeadLetter, max_replays: int) -> str:
    """Say in a word how a letter stands."""
    if letter.redriven_at is not None:
        return "redriven"
    return "quarantined" if letter.replays >= max_replays else "waits"


def view(letter: DeadLetter, max_replays: int) -> dict[str, Any]:
    """Show a letter as an object, without its record."""
    place = letter.record.place
    return {
        "id": letter.id,
        "state": state(letter, max_replays),
        "batch_id": letter.batch_id,
        "event_id": letter.event_id,
        "disposition": letter.disposition,
        "message": masked(letter.message),
        "topic": letter.topic,
        "partition": place.partition if place else None,
        "offset": place.offset if place else None,
        "group": letter.group,
        "deliveries": letter.deliveries,
        "replays": letter.replays,
        "failed_at": letter.failed_at,
        "redriven_at": letter.redriven_at,
        "redriven_by": letter.redriven_by,
    }


def whole(letter: DeadLetter, max_replays: int, *, is_raw: bool) -> dict[str, Any]:
    """Show a letter as an object with its record; ``is_raw`` masks nothing."""
    record = letter.record
    value = text_of(record.value)
    return {
        **view(letter, max_replays),
        "message": letter.message if is_raw else masked(letter.message),
        "key": text_of(record.key),
        "headers": [[name, text_of(text)] for name, text in record.headers],
        "value": value if is_raw else masked(_without_escapes(value)),
    }


def table(letters: list[DeadLetter], max_replays: int) -> None:
    """Print a line for each."""
    rows = [
        [
            str(one.id),
            state(one, max_replays),
            one.disposition,
            one.batch_id,
            str(one.deliveries),
            str(one.replays),
            output.moment(one.failed_at),
            masked(one.message),
        ]
        for one in letters
    ]
    output.table(
        ["id", "state", "disposition", "batch", "tried", "redriven", "at", "why"], rows
    )


def text_of(data: bytes | None) -> str:
    """Write bytes as text; what is no UTF-8 as escapes."""
    return (data or b"").decode(errors="backslashreplace")


def _without_escapes(value: str) -> str:
    """Write JSON anew: digits may stand there as escapes, which nobody would mask."""
    try:
        return msgspec.json.encode(msgspec.json.decode(value)).decode()
    except (msgspec.DecodeError, RecursionError):
        return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value)
