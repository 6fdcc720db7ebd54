"""The page of the command line, read from the commands themselves."""

import importlib
from collections.abc import Iterator, Sequence
from enum import Enum
from inspect import isclass
from typing import Any, Literal, get_args, get_origin

from typer.main import get_command

from batchwire.cli.app import COMMANDS, app
from docs_build.markdown import code, table

_HEAD = """\
# Command line

`batchwire [OPTIONS] COMMAND …`. Results go to standard output, progress, remarks and
errors to standard error. With `--json` standard output is JSON, and an error is
`{"error": {"code": …, "message": …}}`. The exit codes stand in
[errors](errors.md#exit-codes).

"""
_WORDS = {str: "text", int: "integer", float: "number", bool: ""}


def page() -> str:
    """Give the page."""
    root = get_command(app)
    sections = [_HEAD, "## Options of every command\n\n", _options(root.params)]
    for name, module in COMMANDS.items():
        command = get_command(importlib.import_module(module).app)
        sections += list(_sections(f"batchwire {name}", command))
    return "".join(sections)


def _sections(path: str, command: Any) -> Iterator[str]:  # noqa: ANN401 Typer's
    inner = getattr(command, "commands", None)
    if inner:
        for name, one in inner.items():
            yield from _sections(f"{path} {name}", one)
        return
    arguments = [p.metavar for p in command.params if _is_argument(p)]
    usage = " ".join([path, *arguments])
    yield f"\n## `{usage}`\n\n{(command.help or '').strip()}\n\n"
    yield _options(command.params)


def _options(params: Sequence[Any]) -> str:
    return table(
        ("option", "value", "default", "meaning"),
        (
            (_names(p), _value(p), _default(p), p.help or "")
            for p in params
            if p.name != "help"
        ),
    )


def _is_argument(param: Any) -> bool:  # noqa: ANN401 Typer's
    return bool(param.param_type_name == "argument")


def _names(param: Any) -> str:  # noqa: ANN401 Typer's
    if _is_argument(param):
        return code(param.metavar)
    return ", ".join(code(name) for name in (*param.opts, *param.secondary_opts))


def _value(param: Any) -> str:  # noqa: ANN401 Typer's
    kind = param.type_descriptor.annotation
    if get_origin(kind) is list:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return ", ".join(map(code, get_args(kind)))
    if isclass(kind) and issubclass(kind, Enum):
        return ", ".join(code(member.value) for member in kind)
    return _WORDS.get(kind, "path") + _bounds(param.min, param.max)


def _bounds(least: float | None, most: float | None) -> str:
    if least is None and most is None:
        return ""
    if most is None:
        return f" ≥ {least:g}"
    return f" {least or 0:g} … {most:g}"


def _default(param: Any) -> str:  # noqa: ANN401 Typer's
    value = param.default
    if param.required:
        return "required"
    if value is None or value is False or value == "":
        return ""
    return code(str(value.value if isinstance(value, Enum) else value))
