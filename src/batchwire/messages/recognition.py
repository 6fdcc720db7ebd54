"""Which of the three messages a record is."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from batchwire.errors import UnsupportedType
from batchwire.messages.envelope import read_header
from batchwire.messages.message import MessageType

MAJOR_VERSION = 1  # of the three messages; the ``.v1`` of ``ce_type``

_CE_TYPE = re.compile(r"(?:.*\.)?(?P<name>[a-z_]+?)(?:\.v(?P<major>[0-9]{1,9}))?")

_SHAPES: Mapping[str, MessageType] = {  # in this order: a field that tells the type
    "operation": MessageType.BATCH_OPERATION,
    "status": MessageType.BATCH_STATUS_UPDATE,
    "recipients": MessageType.BATCH_REQUEST,
    "recipients_ref": MessageType.BATCH_REQUEST,
    "template": MessageType.BATCH_REQUEST,
}


def recognise(
    headers: Mapping[str, bytes | None], body: Mapping[str, Any]
) -> MessageType:
    """
    Return the type of a record.

    Header ``message_type`` says it, else ``ce_type``, else the legacy ``event_type``,
    else the fields of the body. Empty headers count as absent.

    Raises:
        UnsupportedType: what they say is none of the three, or a newer major version.

    Source: CONTRACT.md, "Reading".
    """
    return named_type(headers) or _shown_by(body)


def named_type(headers: Mapping[str, bytes | None]) -> MessageType | None:
    """
    Return the type that the headers name, None where they name none.

    Raises:
        UnsupportedType: what they say is none of the three, or a newer major version.
        MalformedMessage: one of them is no text.
    """
    get = headers.get
    return _named(get("message_type"), get("ce_type"), get("event_type"))


@lru_cache(maxsize=256)
def _named(
    mark: bytes | None, ce_mark: bytes | None, legacy: bytes | None
) -> MessageType | None:
    headers = {"message_type": mark, "ce_type": ce_mark, "event_type": legacy}
    ce_type = read_header(headers, "ce_type")
    ce_name = _named_in(ce_type)
    if name := read_header(headers, "message_type"):
        return _known(name)
    if ce_type:
        return _known(ce_name)
    if name := read_header(headers, "event_type"):
        return _known(name)
    return None


def _shown_by(body: Mapping[str, Any]) -> MessageType:
    for field, message_type in _SHAPES.items():
        if field in body:
            return message_type
    msg = "no header names the message type, and the body has the shape of none"
    raise UnsupportedType(msg)


def _named_in(ce_type: str) -> str:
    """
    Return the name in ``<reverse-dns>.<name>.v<major>``, else the whole.

    The version counts whichever header names the type: what a newer program means by
    a field we cannot know.
    """
    match = _CE_TYPE.fullmatch(ce_type)
    if match is None:
        return ce_type
    if match["major"] and int(match["major"]) > MAJOR_VERSION:
        msg = f"{ce_type}: version {match['major']} of the message; this is 1's reader"
        raise UnsupportedType(msg)
    return match["name"]


def _known(name: str) -> MessageType:
    try:
        return MessageType(name)
    except ValueError:
        names = ", ".join(MessageType)
        msg = f"message type {name!a} is none of: {names}"
        raise UnsupportedType(msg) from None
