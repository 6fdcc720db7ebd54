"""Recipients on the wire: a number, or a number with parameters of its own."""

from typing import Any

import msgspec

from batchwire.errors import MalformedMessage


class Recipient(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """
    A recipient with parameters of its own, which win over those of the batch.

    ``params`` are JSON values; ``None`` (Go's nil map) is none. Other fields of the
    JSON object are ignored.
    """

    to: str
    params: dict[str, Any] | None = None


Recipients = tuple[str | Recipient, ...]


def to_recipients(items: object) -> Recipients:
    """
    Return strings, ``Recipient`` values and ``{"to", "params"}`` objects as recipients.

    One conversion in C for all of them: 10,000 strings in 0.06 ms. No pattern on the
    items, which would cost 15 times that; numbers are judged by preparation.

    Raises:
        MalformedMessage: an item is neither; names the item, ``recipients[3].to``.
    """
    try:
        return msgspec.convert(items, Recipients)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        field = f"recipients{place.rstrip('`')}"
        raise MalformedMessage(field, problem) from None
