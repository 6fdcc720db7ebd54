"""The table of all settings, made from the fields themselves."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from inspect import isclass
from types import NoneType
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from batchwire.config.keys import KeyPath, variable_of
from batchwire.config.masking import shown
from batchwire.config.settings import Settings

REQUIRED: Final = "required"
KIND: Final = "kind"
_WORDS: Final[Mapping[object, str]] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    dict: "group",
    tuple: "list",
}
_BOUNDS: Final = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}"}


class SettingRow(NamedTuple):
    """
    One setting as the reference page shows it.

    ``key`` is dotted; what an operator names stands in it as ``<name>``. ``kinds`` is
    the kinds of group that have this key, from the outside: ``("http", "basic")``.
    ``default`` is empty where nothing is set, ``required`` where a value must be given.
    ``meaning`` is a sentence, with the unit.
    """

    key: str
    variable: str
    type: str
    default: str
    meaning: str
    kinds: tuple[str, ...]


def reference() -> list[SettingRow]:
    """All settings, in the order in which they are declared."""
    return list(_rows(Settings, (), ()))


def _rows(
    model: type[BaseModel], above: KeyPath, kinds: tuple[str, ...]
) -> Iterator[SettingRow]:
    for name, field in model.model_fields.items():
        path = (*above, field.alias or name)
        groups = list(_models(field.annotation))
        if not groups:
            if name != KIND:
                yield _row(path, field, kinds)
            continue
        if get_origin(field.annotation) is dict:
            path = (*path, "<name>")
        if len(groups) > 1:
            yield _row_of_kind((*path, KIND), field, kinds)
        for group in groups:
            yield from _rows(group, path, (*kinds, *_kind(group)))


def _row(path: KeyPath, field: FieldInfo, kinds: tuple[str, ...]) -> SettingRow:
    default = field.get_default(call_default_factory=True)
    return SettingRow(
        key=".".join(path),
        variable=variable_of(path),
        type=_type(field.annotation) + _bounds(field),
        default=REQUIRED if field.is_required() else shown(path[-1], default),
        meaning=field.description or "",
        kinds=kinds,
    )


def _row_of_kind(path: KeyPath, field: FieldInfo, kinds: tuple[str, ...]) -> SettingRow:
    default = getattr(field.default, KIND, REQUIRED)
    names = [name for group in _models(field.annotation) for name in _kind(group)]
    return SettingRow(
        key=".".join(path),
        variable=variable_of(path),
        type=_one_of(names),
        default=default,
        meaning="What it is; it decides which of the other keys there are.",
        kinds=kinds,
    )


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _kind(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get(KIND)
    return get_args(field.annotation) if field else ()


def _type(annotation: Any) -> str:  # noqa: ANN401 a type
    if isclass(annotation) and issubclass(annotation, StrEnum):
        return _one_of([str(member) for member in annotation])
    if get_origin(annotation) is Literal:
        return _one_of(get_args(annotation))
    origin = get_origin(annotation) or annotation
    if origin in _WORDS:
        return _WORDS[origin]
    inner = [one for one in get_args(annotation) if one is not NoneType]
    return _type(inner[0])  # X | None, Annotated[X, …]


def _one_of(names: Iterable[str]) -> str:
    return f"one of {', '.join(names)}"


def _bounds(field: FieldInfo) -> str:
    bounds = [
        text.format(getattr(limit, name))
        for limit in field.metadata
        for name, text in _BOUNDS.items()
        if hasattr(limit, name)
    ]
    return "".join(f", {bound}" for bound in bounds)
