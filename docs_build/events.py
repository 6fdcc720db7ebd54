"""The page of the event log: types, the fields of an event, the state they fold to."""

from batchwire.domain.events import (
    PAYLOADS_HASH,
    SPEC_HASH,
    Event,
    EventType,
    State,
    step,
)
from docs_build.markdown import code, first_line, prose, table

_HEAD = """\
# Events

Every fact about a batch is an event, written in the same transaction as what it changed,
numbered from 1 without gap, and never changed. `batchwire events BATCH` prints them,
`--as-of TIME` the state at that time (without a fraction, the whole second counts),
`batchwire verify BATCH` checks them.

"""
_MEANINGS = {
    EventType.REQUEST: f"The batch was made; `{SPEC_HASH}` is the SHA-256 of what was"
    " asked for, template and all.",
    EventType.STATUS: "It entered a status, or made progress (`progress`): so do the"
    " answers to what was in flight at a pause or an end, whose counts come behind it."
    f" With `delivery_ready` comes `{PAYLOADS_HASH}`, over every recipient and value.",
    EventType.OPERATION: "Somebody operated on it; `effect` is `none` where what was"
    " asked for held already.",
    EventType.REFUSAL: "An operation was refused; `because` says why.",
    EventType.NOTE: "Worth keeping, changes no status: `note` is `pause_settled` (with"
    " the `escaped` count) or `recovered` (after a crash, with `unanswered`).",
}


def page() -> str:
    """Give the page."""
    types = table(
        ("type", "meaning"), ((code(one), _MEANINGS[one]) for one in EventType)
    )
    fields = table(("field",), ((code(name),) for name in Event.__struct_fields__))
    state = table(("field",), ((code(name),) for name in State.__struct_fields__))
    return f"""{_HEAD}{types}
## An event

{prose(Event.__doc__)}
{fields}
`data` is for people and the wire; `delta` are the fields of the state that it changes,
with their new values.

The chain: {first_line(Event.digest)} The hash before the
first is 32 zero bytes.

## The state

{prose(State.__doc__)}
{state}
{first_line(step)} Folding all events of a batch gives the stored
state, byte for byte.
"""
