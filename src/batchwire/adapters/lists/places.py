"""Where a reference leads, and whether the settings allow it to lead there."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443, "file": None}
# What a URL may consist of. Blanks, backslashes and the like are read differently by
# different programs, and then what was checked is not what is opened.
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]!$&'()*+,;=%-]+")
_HIDDEN = re.compile(r"%(?:2f|5c|00|25)", re.IGNORECASE)  # / \ NUL and % itself


class Place(NamedTuple):
    """A URL that may be opened; ``path`` and the allowed ``root`` are decoded."""

    url: str
    scheme: str
    path: str
    root: str


def allowed_place(reference: str, allowed: Sequence[str]) -> Place | None:
    """
    Find where a reference leads; None where it may not lead there.

    ``allowed`` are URLs of folders (or of single lists). Scheme, host and port must be
    the same; the path must be the folder's or lie below it.
    """
    if not _CHARACTERS.fullmatch(reference):
        return None  # "@" too: who is before it looks like a host
    asked = _split(reference)
    if asked is None or _HIDDEN.search(asked.path):
        return None
    path = unquote(asked.path)
    if {".", ".."} & set(path.split("/")) or (asked.scheme == "file" and asked.query):
        return None
    for prefix in allowed:
        given = _split(prefix)
        if given is None or _origin(given) != _origin(asked):
            continue
        root = unquote(given.path)
        if path == root or path.startswith(root.rstrip("/") + "/"):
            return Place(reference, asked.scheme, path, root)
    return None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is none
    except ValueError:
        return None
    return parts if parts.scheme in _DEFAULT_PORTS else None


def _origin(url: SplitResult) -> tuple[str, str, int | None]:
    host = (url.hostname or "").removesuffix(".")
    if url.scheme == "file" and host == "localhost":
        host = ""
    return url.scheme, host, url.port or _DEFAULT_PORTS[url.scheme]
