"""The layer of the YAML file, with the line of each key."""

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode
from yaml.reader import ReaderError

from batchwire.config.keys import KeyPath
from batchwire.config.layers import Layer, Origin, Place
from batchwire.config.problems import Problem


class _Loader(yaml.SafeLoader):
    """
    YAML 1.2's core schema, where NO is Norway and 0049 a text.

    PyYAML's own is 1.1: NO is false there, 0049 an error or an octal, 12:30 is 750.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 theirs

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            problem = "aliases (*name) are not read here; write the value out"
            raise yaml.composer.ComposerError(None, None, problem, mark)
        return super().compose_node(parent, index)

    def construct_mapping(
        self,
        node: MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 theirs
    ) -> dict[Hashable, Any]:
        """Keys are texts, as they are in the environment, and each stands once."""
        values: dict[Hashable, Any] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                _refuse("a key must be a text", key)
            if key.value in values:
                _refuse(f"{key.value} is set a second time here", key)
            values[key.value] = self.construct_object(value, deep=deep)
        return values


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )


def read(path: Path, named_by: str) -> Layer | Problem:
    """
    Read the file, or say why it cannot be read; ``named_by`` says who named it.

    What stands at the top without a value is not set.
    """
    try:
        return _layer(path, path.read_text(encoding="utf-8"))
    except OSError as error:
        problem, place = f"cannot be read: {error.strerror}", named_by
    except UnicodeDecodeError as error:
        problem, place = f"is not UTF-8 at byte {error.start + 1}", named_by
    except yaml.MarkedYAMLError as error:
        told = ", ".join(filter(None, (error.context, error.problem)))
        problem, mark = f"cannot be understood: {told}", error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else named_by
    return Problem(key=str(path), place=place, problem=problem)


def _loader(text: str) -> _Loader:
    try:
        return _Loader(text)
    except ReaderError as error:
        at = error.position
        column = at - text.rfind("\n", 0, at) - 1
        mark = yaml.Mark("", at, text.count("\n", 0, at), column, None, 0)
        problem = f"YAML does not allow the character {text[at]!a}"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark) from error


def _layer(path: Path, text: str) -> Layer:
    loader = _loader(text)
    try:
        root = loader.get_single_node()
        if root is None or root.value == "":
            return Layer()
        if not isinstance(root, MappingNode):
            _refuse("a list of `key: value` must stand here", root)
        for key, _ in root.value:
            if str(key.value).startswith(
                "_"
            ):  # to BaseSettings, a parameter of its own
                _refuse(f"there is no setting {key.value}", key)
        values = loader.construct_document(root)
    finally:
        loader.dispose()
    places = {
        keys: Place(Origin.FILE, f"{path}, line {line}")
        for keys, line in _lines(root, ())
    }
    values = {key: value for key, value in values.items() if value is not None}
    return Layer(values=values, places=places)


def _lines(node: MappingNode, above: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    for key, value in node.value:
        path = (*above, key.value)
        yield path, key.start_mark.line + 1
        if isinstance(value, MappingNode):
            yield from _lines(value, path)


def _refuse(problem: str, node: Node) -> NoReturn:
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
