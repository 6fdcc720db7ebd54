"""The known key that an unknown one seems to mean."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import zip_longest
from typing import Final

from batchwire.config.keys import KeyPath
from batchwire.config.reference import reference

PROVIDERS: Final = "providers"


def nearest(path: KeyPath, kinds: Iterable[object]) -> KeyPath:
    """
    Find a key of the same group that is like it, else one outside ``providers``.

    ``kinds`` are those of the groups that the key stands in, among any other things.
    Empty where nothing is near; the key itself where it is known.
    """
    known = _known(path, set(kinds))
    siblings = {key[-1]: key for key in known if key[:-1] == path[:-1]}
    anywhere = {key[-1]: key for key in known if key[0] != PROVIDERS}
    for names, cutoff in ((siblings, 0.6), (anywhere, 0.75)):
        if near := get_close_matches(path[-1], names, n=1, cutoff=cutoff):
            return names[near[0]]
    return ()


def _known(path: KeyPath, kinds: set[object]) -> list[KeyPath]:
    keys = (
        _filled(tuple(row.key.split(".")), path)
        for row in reference()
        if kinds.issuperset(row.kinds)
    )
    return [key[:end] for key in keys for end in range(1, len(key) + 1)]


def _filled(key: KeyPath, path: KeyPath) -> KeyPath:
    """Put the operator's own names where the reference has ``<name>``."""
    names = path[: len(key)] if path[0] == key[0] else ()
    return tuple(
        name if part == "<name>" and name else part
        for part, name in zip_longest(key, names, fillvalue="")
    )
