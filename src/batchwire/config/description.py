"""The settings in force, for ``batchwire config show``."""

from typing import NamedTuple

from batchwire.config.keys import leaves
from batchwire.config.layers import Origin
from batchwire.config.masking import shown
from batchwire.config.settings import Settings


class ShownSetting(NamedTuple):
    """One setting: its dotted key, its value with secrets masked, and who set it."""

    key: str
    value: str
    origin: Origin


def describe(settings: Settings) -> list[ShownSetting]:
    """All settings in force, in the order of their declaration."""
    return [
        ShownSetting(".".join(path), shown(path[-1], value), settings.origin_of(path))
        for path, value in leaves(settings.model_dump(mode="json", by_alias=True))
    ]
