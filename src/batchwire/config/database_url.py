"""Where the database is: one spelling out of the several that people write."""

import re
from pathlib import Path

SQLITE = "sqlite:///"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(sqlite):", re.IGNORECASE)


def sqlite_url(text: str) -> str:
    """
    Return ``sqlite:///PATH`` for a path or an SQLite URL.

    A relative path is relative to the working directory; ``~`` is the home directory.

    Raises:
        ValueError: another database, or a file that is none; a sentence with remedy.
    """
    path = text.strip()
    if path.lower().startswith(SQLITE):
        path = path[len(SQLITE) :]
    elif scheme := _SCHEME.match(path):
        raise ValueError(_refusal((scheme[1] or scheme[2]).lower()))
    if path in {"", ":memory:"}:
        problem = "must name a file: what is sent is remembered there"
        raise ValueError(problem)
    if path.endswith("/"):
        problem = "must name a file, not a directory: batchwire.db in it, perhaps"
        raise ValueError(problem)
    if "?" in path or "#" in path:
        problem = "a path with ? or # cannot be used, and there are no options"
        raise ValueError(problem)
    return f"{SQLITE}{Path(path).expanduser()}"


def _refusal(scheme: str) -> str:
    if scheme == "sqlite":
        return "an SQLite URL has three slashes, four for an absolute path: sqlite:///batchwire.db"
    return f"{scheme} is no database for this version; write sqlite:///PATH or a path"
