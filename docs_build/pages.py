"""Which pages are made from what."""

from collections.abc import Callable, Mapping
from pathlib import Path

from docs_build import (
    commands,
    errors,
    events,
    figures,
    lifecycle,
    messages,
    metrics,
    outcomes,
    schemas,
    settings,
)

NOTE = "<!-- Made from the code by `make docs`; changes here are lost. -->\n\n"
REFERENCE: Mapping[str, Callable[[], str]] = {
    "settings.md": settings.page,
    "statuses.md": lifecycle.page,
    "outcomes.md": outcomes.page,
    "errors.md": errors.page,
    "cli.md": commands.page,
    "events.md": events.page,
    "messages.md": messages.page,
    "metrics.md": metrics.page,
}
READMES = {"README.md": figures.ENGLISH, "README.zh-CN.md": figures.CHINESE}


def contents(root: Path) -> dict[Path, str]:
    """Give every generated file with what must stand in it."""
    reference = root / "docs" / "reference"
    pages = {reference / name: NOTE + page() for name, page in REFERENCE.items()}
    measured = figures.read(root / "docs" / "figures.json")
    for name, words in READMES.items():
        readme = root / name
        table = figures.table(measured, words)
        pages[readme] = figures.put(readme.read_text(encoding="utf-8"), table)
    return pages | schemas.contents(root / "docs")
