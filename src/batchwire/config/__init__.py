"""
The settings of Batchwire: command line > environment > file > default.

``load`` reads them, ``check`` finds everything wrong with them, ``describe`` shows what
is in force and who set it, ``reference`` is the table of what can be set.
"""

from batchwire.config.description import ShownSetting, describe
from batchwire.config.layers import Origin
from batchwire.config.loading import check, load
from batchwire.config.problems import Problem
from batchwire.config.reference import SettingRow, reference
from batchwire.config.settings import ProviderSettings, Settings

__all__ = [
    "Origin",
    "Problem",
    "ProviderSettings",
    "SettingRow",
    "Settings",
    "ShownSetting",
    "check",
    "describe",
    "load",
    "reference",
]
