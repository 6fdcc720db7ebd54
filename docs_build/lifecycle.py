"""The page of the statuses: what each means, what moves it where, the diagram."""

from collections.abc import Iterator

from batchwire.domain.lifecycle import (
    HOLDS,
    TRANSITIONS,
    Operation,
    Status,
    Trigger,
    fitting,
)
from docs_build.markdown import code, comments, table

_HEAD = """\
# Statuses

A status is entered after its work is durable. Behind each stands who moves it on. The
values are those on the wire.

"""
_TRIGGERS = """
## What moves a batch

The first kind are operations of a person, the others facts that the service finds. What
is not in the table does not happen: an operation that does not fit is refused with the
status and with what does fit, and the refusal is an event.

"""
_REPEATS = """
Asking for what already holds succeeds without effect:

"""


def page() -> str:
    """Give the page."""
    meanings = comments(Status)
    statuses = table(
        ("status", "phase", "meaning: who moves it on", "operations that fit"),
        (
            (
                code(status),
                status.phase,
                meanings[status.name],
                ", ".join(code(operation) for operation in fitting(status)),
            )
            for status in Status
        ),
    )
    moves = table(
        ("from", "trigger", "to"),
        ((code(a), code(trigger), code(b)) for a, trigger, b in _moves()),
    )
    repeats = table(
        ("operation", "holds already in"),
        (
            (
                code(operation),
                ", ".join(code(s) for s in Status if s in HOLDS[operation]),
            )
            for operation in Operation
        ),
    )
    return f"{_HEAD}{statuses}\n{_diagram()}{_TRIGGERS}{moves}{_REPEATS}{repeats}"


def _moves() -> Iterator[tuple[Status, Trigger, Status]]:
    for status, triggers in TRANSITIONS.items():
        for trigger, target in triggers.items():
            yield status, trigger, target


def _diagram() -> str:
    """Draw the table; abort and expiry, which fit nearly everywhere, are left out."""
    drawn = "".join(
        f"    {a} --> {b}: {trigger}\n"
        for a, trigger, b in _moves()
        if trigger not in {Trigger.ABORT, Trigger.EXPIRED}
    )
    return (
        "```mermaid\nstateDiagram-v2\n"
        f"    [*] --> {Status.SCHEDULED}\n    [*] --> {Status.PREPARATION_READY}\n"
        f"{drawn}```\n\nNot drawn: `{Trigger.ABORT}` and `{Trigger.EXPIRED}`, which the"
        " table below has.\n"
    )
