"""Paths of settings: dotted in files and messages, with ``__`` in the environment."""

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

KeyPath: TypeAlias = tuple[str, ...]

PREFIX: Final = "BATCHWIRE_"
BETWEEN: Final = "__"


def variable_of(path: KeyPath) -> str:
    """Name the environment variable that sets this key."""
    return PREFIX + BETWEEN.join(path).upper()


def path_of(variable: str) -> KeyPath:
    """Find the key that this environment variable sets, if there is such a key."""
    return tuple(variable.removeprefix(PREFIX).lower().split(BETWEEN))


def leaves(
    group: Mapping[str, object], above: KeyPath = ()
) -> Iterator[tuple[KeyPath, object]]:
    """Everything in nested groups that is no group, or an empty one, with its path."""
    for key, value in group.items():
        path = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        else:
            yield path, value
