"""One layer of settings: the values of one source, and the place of each."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from batchwire.config.keys import KeyPath, leaves


class Origin(StrEnum):
    """Who set a value. Each wins over those below it."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: ``batchwire.yaml, line 4``."""

    origin: Origin
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """
    The values of one source as they stand there, not validated.

    ``places`` has every key of ``values``, groups too.
    """

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)

    def put(self, path: KeyPath, value: object, place: Place) -> None:
        """Add a value, and the groups around it that are not there yet."""
        *groups, last = path
        group = self.values
        for key in groups:
            group = group.setdefault(key, {})
        group[last] = value
        self.places.update(traced(path, value, place))


def traced(path: KeyPath, value: object, place: Place) -> dict[KeyPath, Place]:
    """Say of a value, all groups around it and all keys in it, that they stand there."""
    paths = [below for below, _ in leaves({path[-1]: value}, path[:-1])]
    return {full[:end]: place for full in paths for end in range(1, len(full) + 1)}


def laid_over(lower: Layer, upper: Layer) -> Layer:
    """Merge two layers key by key; where both have a value, ``upper`` wins."""
    return Layer(
        values=_merged(lower.values, upper.values), places=lower.places | upper.places
    )


def left_out(layer: Layer, keys: Container[str]) -> Layer:
    """Take some keys of the top away, with all that stands below them."""
    return Layer(
        values={key: one for key, one in layer.values.items() if key not in keys},
        places={p: place for p, place in layer.places.items() if p[0] not in keys},
    )


def _merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(below, value)
        else:
            merged[key] = value
    return merged
