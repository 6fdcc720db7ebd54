"""
The settings of Batchwire: command line > environment > file > default.

``load`` reads them, ``load_for_database`` does without those of sending where they are
wrong, ``check`` finds everything wrong with them, ``describe`` shows what is in force and
who set it, ``reference`` is the table of what can be set.
"""

from batchwire.config.description import ShownSetting, describe
from batchwire.config.layers import Origin
from batchwire.config.loading import (
    DEFAULT_FILE,
    check,
    has_file,
    load,
    load_for_database,
)
from batchwire.config.problems import Problem
from batchwire.config.reference import SettingRow, reference
from batchwire.config.settings import ProviderSettings, Settings

__all__ = [
    "DEFAULT_FILE",
    "Origin",
    "Problem",
    "ProviderSettings",
    "SettingRow",
    "Settings",
    "ShownSetting",
    "check",
    "describe",
    "has_file",
    "load",
    "load_for_database",
    "reference",
]
