"""Settings from all sources: command line > environment > file > default."""

import os
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from batchwire.config import environment, file, flags, problems
from batchwire.config.keys import leaves
from batchwire.config.layers import Layer, laid_over
from batchwire.config.problems import Problem
from batchwire.config.settings import Settings
from batchwire.errors import SettingsError

DEFAULT_FILE: Final = Path("batchwire.yaml")
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
    settings, found = _attempt(config_path, overrides, environ)
    if settings is None or found:
        raise SettingsError(_summary(found))
    return settings


def check(
    config_path: Path | None = None,
    overrides: Mapping[str, object] = _NO_FLAGS,
    environ: Mapping[str, str] | None = None,
) -> list[Problem]:
    """Everything that ``load`` would refuse, at once; empty if it would not."""
    return _attempt(config_path, overrides, environ)[1]


def _attempt(
    config_path: Path | None,
    overrides: Mapping[str, object],
    environ: Mapping[str, str] | None,
) -> tuple[Settings | None, list[Problem]]:
    variables = os.environ if environ is None else environ
    from_file = _read_file(config_path, variables)
    if isinstance(from_file, Problem):
        return None, [from_file]
    from_environment, strays = environment.read(variables)
    layer = reduce(laid_over, (from_file, from_environment, flags.read(overrides)))
    found = [
        problems.of_variable(name, variables[name])
        for name in strays
        if not _is_named(name, layer)
    ]
    try:
        settings = Settings(**layer.values)
    except ValidationError as error:
        return None, found + problems.of_validation(error, layer.places)
    return settings.placed(layer.places), found


def _read_file(config_path: Path | None, environ: Mapping[str, str]) -> Layer | Problem:
    if config_path is not None:
        return file.read(config_path, named_by="--config")
    if name := environ.get(environment.CONFIG_VARIABLE):
        return file.read(Path(name), named_by=environment.CONFIG_VARIABLE)
    if DEFAULT_FILE.exists():
        return file.read(DEFAULT_FILE, named_by="working directory")
    return Layer()


def _is_named(variable: str, layer: Layer) -> bool:
    """Whether settings refer to this variable: ``token_env: BATCHWIRE_ACME_TOKEN``."""
    return any(variable in str(value) for _, value in leaves(layer.values))


def _summary(found: list[Problem]) -> str:
    more = len(found) - 1
    return f"{found[0]}" + (
        f" (and {more} more: `batchwire config check` lists all)" if more else ""
    )
