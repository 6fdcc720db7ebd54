"""Settings from all sources: command line > environment > file > default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from batchwire.config import environment, file, flags, problems
from batchwire.config.keys import leaves, path_of
from batchwire.config.layers import Layer, laid_over, left_out
from batchwire.config.nearest import nearest
from batchwire.config.problems import Problem
from batchwire.config.settings import Settings
from batchwire.errors import SettingsError

DEFAULT_FILE: Final = Path("batchwire.yaml")
SENDING: Final = frozenset({"providers", "default_provider", "engine"})
_ELSEWHERE: Final = frozenset(Settings.model_fields) - SENDING
_LEADING: Final = frozenset({"database_url", "batch_events"})  # to what is worked on
_NO_FLAGS: Final[Mapping[str, object]] = MappingProxyType({})


def load(
    config_path: Path | None = None,
    overrides: Mapping[str, object] = _NO_FLAGS,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """
    Read and validate all settings.

    The file is ``config_path``, else what ``BATCHWIRE_CONFIG`` names, else
    ``batchwire.yaml`` in the working directory, if it exists. ``overrides`` is what the
    command line sets, by dotted key; None is a flag that was not given. ``environ`` is
    the process's where absent. Blocks for the time of reading a small file.

    Raises:
        SettingsError: a key is unknown, a value is bad or the file is unreadable.
    """
    settings, found = _validated(_read(config_path, overrides, environ))
    if settings is None or found:
        raise SettingsError(_summary(found))
    return settings


def load_for_database(
    config_path: Path | None = None,
    overrides: Mapping[str, object] = _NO_FLAGS,
    environ: Mapping[str, str] | None = None,
) -> tuple[Settings, str]:
    """
    Read and validate as ``load`` does, for whoever sends nothing.

    Where something is wrong with ``providers``, ``default_provider`` or ``engine``, or a
    variable fits no setting, all three have their defaults; the second value then says
    what is wrong, else it is empty.

    Raises:
        SettingsError: as ``load``, for anything else; also where a key of elsewhere,
            such as ``database_url``, stands in one of the three and may be meant, or a
            variable may mean the database, a topic or the settings file.
    """
    read = _read(config_path, overrides, environ)
    settings, found = _validated(read)
    if settings is not None and not found:
        return settings, ""
    if isinstance(read, Problem) or _is_misplaced(read.layer):
        raise SettingsError(_summary(found))
    grave = {name: text for name, text in read.strays.items() if _is_leading(name)}
    settings, others = _validated(_Read(read.layer, grave), without=SENDING)
    if settings is None or others:
        raise SettingsError(_summary(others))
    return settings, _summary(found)


def check(
    config_path: Path | None = None,
    overrides: Mapping[str, object] = _NO_FLAGS,
    environ: Mapping[str, str] | None = None,
) -> list[Problem]:
    """Everything that ``load`` would refuse, at once; empty if it would not."""
    return _validated(_read(config_path, overrides, environ))[1]


def has_file(config_path: Path | None = None) -> bool:
    """Whether there is a file that ``load`` reads."""
    return _named_file(config_path, os.environ) is not None


@dataclass(frozen=True, slots=True)
class _Read:
    """All layers as one, and the variables that fit no setting and that none names."""

    layer: Layer
    strays: Mapping[str, str]


def _read(
    config_path: Path | None,
    overrides: Mapping[str, object],
    environ: Mapping[str, str] | None,
) -> _Read | Problem:
    variables = os.environ if environ is None else environ
    from_file = _read_file(config_path, variables)
    if isinstance(from_file, Problem):
        return from_file
    from_environment, strays = environment.read(variables)
    layer = reduce(laid_over, (from_file, from_environment, flags.read(overrides)))
    return _Read(
        layer, {name: variables[name] for name in strays if not _is_named(name, layer)}
    )


def _validated(
    read: _Read | Problem, without: frozenset[str] = frozenset()
) -> tuple[Settings | None, list[Problem]]:
    if isinstance(read, Problem):
        return None, [read]
    layer = left_out(read.layer, without)
    found = [
        problems.of_variable(name, value)
        for name, value in read.strays.items()
        if path_of(name)[0] not in without
    ]
    try:
        settings = Settings(**layer.values)
    except ValidationError as error:
        return None, found + problems.of_validation(error, layer.places)
    return settings.placed(layer.places), found


def _read_file(config_path: Path | None, environ: Mapping[str, str]) -> Layer | Problem:
    found = _named_file(config_path, environ)
    return Layer() if found is None else file.read(found[0], named_by=found[1])


def _named_file(
    config_path: Path | None, environ: Mapping[str, str]
) -> tuple[Path, str] | None:
    """Give the settings file, and who named it."""
    if config_path is not None:
        return config_path, "--config"
    if name := environ.get(environment.CONFIG_VARIABLE):
        return Path(name), environment.CONFIG_VARIABLE
    return (DEFAULT_FILE, "working directory") if DEFAULT_FILE.exists() else None


def _is_named(variable: str, layer: Layer) -> bool:
    """Whether settings refer to this variable: ``token_env: BATCHWIRE_ACME_TOKEN``."""
    return any(variable in str(value) for _, value in leaves(layer.values))


def _is_misplaced(layer: Layer) -> bool:
    """Whether a key of elsewhere stands below ``SENDING``: a slip in the indentation."""
    return any(
        path[0] in SENDING and not _ELSEWHERE.isdisjoint(path[1:])
        for path in layer.places
    )


def _is_leading(variable: str) -> bool:
    """Whether a variable that fits no setting may mean where the work is to be done."""
    path = path_of(variable)
    whole = "_".join(path)
    if get_close_matches(whole, path_of(environment.CONFIG_VARIABLE)):
        return True
    near = nearest((whole,), ()) or nearest(path[:1], ()) or nearest(path, path)
    return not _LEADING.isdisjoint(near[:1])


def _summary(found: list[Problem]) -> str:
    more = len(found) - 1
    return f"{found[0]}" + (
        f" (and {more} more: `batchwire config check` lists all)" if more else ""
    )
