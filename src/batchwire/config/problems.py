"""What is wrong with the settings, each as one sentence with its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from batchwire.config.keys import KeyPath, path_of, variable_of
from batchwire.config.layers import Origin, Place
from batchwire.config.masking import MASK, is_secret, shown, without_secrets
from batchwire.config.nearest import PROVIDERS, nearest
from batchwire.config.reference import KIND

_A_GROUP: Final = "must be a group of settings, as in {{name: value}}"

# By pydantic's error type; what stands in braces is in the error's context. Any other
# type is told in pydantic's words.
_SENTENCES: Final[Mapping[str, str]] = {
    "bool_parsing": "must be true or false",
    "dict_type": _A_GROUP,
    "enum": "must be {expected}",
    "extra_forbidden": "there is no such setting",
    "float_parsing": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be an integer",
    "int_parsing": "must be an integer",
    "int_type": "must be an integer",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "missing": "must be set",
    "model_attributes_type": _A_GROUP,
    "model_type": _A_GROUP,
    "string_pattern_mismatch": "must match {pattern}",
    "string_type": "must be a text",
    "tuple_type": "must be a list, as in [a, b]",
    "union_tag_invalid": "must be one of {expected_tags}",
    "union_tag_not_found": "must be set",
    "value_error": "{error}",
}
_UNKNOWN: Final = _SENTENCES["extra_forbidden"]
_OF_KIND: Final = ("union_tag_invalid", "union_tag_not_found")
_OF_GROUP: Final = ("dict_type", "model_attributes_type", "model_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """
    One thing to mend. ``str()`` is the sentence for a person.

    ``key`` is dotted, or the settings file itself. ``place`` is empty where nothing
    stands anywhere; ``value`` has its secrets masked and is empty for a group.
    ``nearest`` is a known key for an unknown one, empty where none is near.
    """

    key: str
    place: str
    problem: str
    value: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        what = f"{self.key} = {self.value}" if self.value else self.key
        where = f" ({self.place})" if self.place else ""
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{what}{where}: {self.problem}{hint}"


def of_variable(name: str, value: str) -> Problem:
    """Say that an environment variable fits no setting, or not beside the others."""
    path = path_of(name)
    near = nearest(path, path)
    is_known = near == path
    return Problem(
        key=".".join(path),
        place=f"environment variable {name}",
        problem="the group that it belongs to is set to no group"
        if is_known
        else _UNKNOWN,
        value=_unknown_value(near, path, value),
        nearest=variable_of(near) if near and not is_known else "",
    )


def of_validation(
    error: ValidationError, places: Mapping[KeyPath, Place]
) -> list[Problem]:
    """Everything that validation found, in the order of the fields."""
    return [_of_detail(detail, places) for detail in error.errors()]


def _of_detail(detail: ErrorDetails, places: Mapping[KeyPath, Place]) -> Problem:
    path = _path(detail, places)
    place = _place(path, places)
    is_unknown = detail["type"] == "extra_forbidden"
    near = nearest(path, detail["loc"]) if is_unknown else ()
    return Problem(
        key=".".join(path),
        place=place.text if place else "",
        problem=_sentence(detail),
        value=_unknown_value(near, path, detail["input"])
        if is_unknown
        else _value(detail, path),
        nearest=_spelt(near, place) if near else "",
    )


def _value(detail: ErrorDetails, path: KeyPath) -> str:
    value = detail["input"]
    if detail["type"] in _OF_KIND:
        value = detail["ctx"].get("tag")
    if value is None or isinstance(value, Mapping) or _is_about_a_key(detail):
        return ""
    is_group = path[0] == PROVIDERS and detail["type"] in _OF_GROUP
    return MASK if is_group or "auth" in path else shown(path[-1], value)


def _unknown_value(near: KeyPath, path: KeyPath, value: object) -> str:
    """Mask: it may be a secret, unless it is a slip in a key that is known to be none."""
    is_slip = near and near[0] != PROVIDERS and not is_secret(path[-1])
    return shown(near[-1], value) if is_slip else MASK


def _is_about_a_key(detail: ErrorDetails) -> bool:
    return detail["loc"][-1] == "[key]"


def _path(detail: ErrorDetails, places: Mapping[KeyPath, Place]) -> KeyPath:
    """
    Where in the settings the error is.

    Pydantic's location also has the kind of each group on the way, ``[key]`` and
    positions in lists. None of these is a key that stands anywhere.
    """
    path: KeyPath = ()
    last = len(detail["loc"]) - 1
    for index, step in enumerate(detail["loc"]):
        below = (*path, str(step))
        is_absent = detail["type"] == "missing" and index == last
        if below in places or is_absent or not path:
            path = below
    return (*path, KIND) if detail["type"] in _OF_KIND else path


def _place(path: KeyPath, places: Mapping[KeyPath, Place]) -> Place | None:
    above = (places.get(path[:end]) for end in range(len(path), 0, -1))
    return next(filter(None, above), None)


def _sentence(detail: ErrorDetails) -> str:
    told = _SENTENCES.get(detail["type"], "").format_map(detail.get("ctx", {}))
    sentence = told or detail["msg"].replace("Input should", "must")
    name = "the name " if _is_about_a_key(detail) else ""
    return name + without_secrets(sentence)


def _spelt(near: KeyPath, place: Place | None) -> str:
    if place and place.origin is Origin.ENVIRONMENT:
        return variable_of(near)
    return ".".join(near)
