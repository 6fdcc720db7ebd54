"""The published schemas: those of now, and how they differ from the released ones."""

from pathlib import Path
from typing import Any

import msgspec

from batchwire.events import asyncapi
from batchwire.events.settings import BatchEventServiceConfig
from batchwire.messages import schema
from batchwire.messages.recognition import MAJOR_VERSION
from batchwire.messages.requests import KINDS
from docs_build.compatibility import breaks


def contents(docs: Path) -> dict[Path, str]:
    """Give every file with what must stand in it."""
    files = {
        docs / "schemas" / f"{name}.json": _text(schema.document(kind))
        for name, kind in KINDS.items()
    }
    whole = asyncapi.document(BatchEventServiceConfig())
    return {docs / "asyncapi.json": _text(whole), **files}


def problems(docs: Path) -> list[str]:
    """Say what breaks programs that follow the last released schemas of this major."""
    released = docs / "schemas" / f"v{MAJOR_VERSION}"
    return [
        sentence
        for name, kind in KINDS.items()
        for sentence in _problems(released / f"{name}.json", schema.document(kind))
    ]


def _problems(released: Path, current: dict[str, Any]) -> list[str]:
    if not released.exists():
        return [f"{released} is missing: copy the one of docs/schemas there"]
    return breaks(msgspec.json.decode(released.read_bytes()), current)


def _text(value: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
