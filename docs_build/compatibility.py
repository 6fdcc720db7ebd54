"""
Whether a changed schema breaks programs that follow the released one.

Records of one version are read by the other, both ways: an older reader must take what
is written now, and what older programs wrote must be taken. So a new optional field is
all that fits; anything else is a new major version.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

Schema = dict[str, Any]

REMEDY = (
    "leave it as it was and put an optional field beside it, or make a new major version"
    " (MAJOR_VERSION in messages/recognition.py, a folder of its own in docs/schemas)"
)

_READERS = "older readers refuse what is written now"
_WRITERS = "what older programs write is refused"
_TOLD = frozenset({"$schema", "$id", "title", "description", "examples"})
_LEAST = frozenset({"minimum", "minLength", "minItems"})
_MOST = frozenset({"maximum", "maxLength", "maxItems"})
_INFINITE = float("inf")


def breaks(released: Schema, current: Schema) -> list[str]:
    """Say what in ``current`` breaks programs that follow ``released``, and what to do."""
    found = _compared(released["title"], released, current)
    return [f"{sentence}; {REMEDY}" for sentence in found]


def _compared(place: str, old: Schema, new: Schema) -> Iterator[str]:
    for key in sorted((old.keys() | new.keys()) - _TOLD):
        before, after = old.get(key), new.get(key)
        if before != after:
            yield from _changed(place, key, before, after)


def _changed(place: str, key: str, old: Any, new: Any) -> Iterable[str]:  # noqa: ANN401
    if key == "properties":
        return _properties(place, old or {}, new or {})
    if key == "required":
        return _required(place, set(old or ()), set(new or ()))
    if key in {"type", "enum"} and old and new:
        return _choice(f"{place}: {key}", _set(old), _set(new))
    if key in _LEAST | _MOST:
        return [_bound(f"{place}: {key}", old, new, is_upper=key in _MOST)]
    if pairs := _pairs(old, new):
        return chain.from_iterable(_compared(place, *pair) for pair in pairs)
    return [f"{place}: {key} is {_shown(new)}, was {_shown(old)}"]


def _properties(place: str, old: Schema, new: Schema) -> Iterator[str]:
    for name, before in old.items():
        if name in new:
            yield from _compared(f"{place}.{name}", before, new[name])
        else:
            yield f"{place}.{name} is gone, and programs count on it"


def _required(place: str, old: set[str], new: set[str]) -> Iterator[str]:
    for name in sorted(new - old):
        yield f"{place}.{name} is required, and was not: {_WRITERS}"
    for name in sorted(old - new):
        yield f"{place}.{name} may be missing, and was required: {_READERS}"


def _choice(place: str, old: set[Any], new: set[Any]) -> Iterator[str]:
    if gone := old - new:
        yield f"{place} lost {_listed(gone)}: {_WRITERS}"
    if more := new - old:
        yield f"{place} gained {_listed(more)}: {_READERS}"


def _bound(place: str, old: float | None, new: float | None, *, is_upper: bool) -> str:
    none = _INFINITE if is_upper else -_INFINITE
    before, after = (none if one is None else one for one in (old, new))
    is_narrower = after < before if is_upper else after > before
    why = _WRITERS if is_narrower else _READERS
    return f"{place} is {_shown(new)}, was {_shown(old)}: {why}"


def _pairs(old: Any, new: Any) -> list[tuple[Schema, Schema]]:  # noqa: ANN401
    """Pair the schemas inside (``items``, ``anyOf``, ``oneOf``); none where they differ."""
    befores, afters = (one if isinstance(one, list) else [one] for one in (old, new))
    are_schemas = all(isinstance(one, dict) for one in (*befores, *afters))
    if not are_schemas or len(befores) != len(afters):
        return []
    return list(zip(befores, afters, strict=True))


def _set(value: Any) -> set[Any]:  # noqa: ANN401 - a name or a list of names
    return set(value) if isinstance(value, list) else {value}


def _listed(values: set[Any]) -> str:
    return ", ".join(sorted(map(repr, values)))


def _shown(value: object) -> str:
    return "not limited" if value is None else repr(value)
