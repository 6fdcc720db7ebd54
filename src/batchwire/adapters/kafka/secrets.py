"""Secrets by the name of where they are: an environment variable or a file."""

import os
from dataclasses import dataclass
from pathlib import Path

from batchwire.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """
    Where a secret is; one of the two is set. What it is appears nowhere in here.

    - ``env``: name of an environment variable.
    - ``file``: path of a file; white space around the secret is no part of it.
    """

    env: str = ""
    file: str = ""

    def read(self) -> str:
        """
        Look it up; a file is read each time, so that it may be renewed.

        Raises:
            SettingsError: there is none; names the variable or the file.

        """
        value = self._from_file() if self.file else os.environ.get(self.env, "")
        if value:
            return value
        place = f"the file {self.file}" if self.file else f"the variable {self.env}"
        message = f"kafka: {place} has no secret in it; put it there or name another"
        raise SettingsError(message)

    def _from_file(self) -> str:
        try:
            return Path(self.file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            problem = getattr(error, "strerror", None) or "it is not text"
            message = f"kafka: the file {self.file} cannot be read: {problem}"
            raise SettingsError(message) from error
