"""Where the database is: one spelling out of the several that people write."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"
STATEMENT_CACHE = "prepared_statement_cache_size"  # the one option that is ours
_POSTGRESQL = ("postgresql", "postgres", "postgresql+asyncpg")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(sqlite):", re.IGNORECASE)


def one_spelling(text: str) -> str:
    """
    Return ``postgresql://…`` for a URL of PostgreSQL, else ``sqlite:///PATH``.

    A relative path is relative to the working directory; ``~`` is the home directory.

    Raises:
        ValueError: another database, a file that is none, or a URL that cannot be
            read; a sentence with remedy, without user and password.
    """
    url = text.strip()
    scheme = _SCHEME.match(url)
    name = (scheme[1] or scheme[2]).lower() if scheme else ""
    if scheme is None or url.lower().startswith(SQLITE):
        return f"{SQLITE}{_file(url[len(SQLITE) :] if scheme else url)}"
    if name in _POSTGRESQL:
        return _postgresql(f"{POSTGRESQL}{url[scheme.end() :]}")
    raise ValueError(_refusal(name))


def _file(path: str) -> Path:
    if path in {"", ":memory:"}:
        problem = "must name a file: what is sent is remembered there"
        raise ValueError(problem)
    if path.endswith("/"):
        problem = "must name a file, not a directory: batchwire.db in it, perhaps"
        raise ValueError(problem)
    if "?" in path or "#" in path:
        problem = "a path with ? or # cannot be used, and there are no options"
        raise ValueError(problem)
    return Path(path).expanduser()


def _postgresql(url: str) -> str:
    """Check what would otherwise be misread; the rest is the driver's business."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or "#" in url or url.rpartition("@")[0].count("@"):
        problem = (
            "cannot be read; in user and password / is written %2F, @ %40, : %3A,"
            " # %23 and ? %3F"
        )
        raise ValueError(problem) from None
    cache = parse_qs(parts.query).get(STATEMENT_CACHE, ["0"])
    if not cache[-1].isdecimal():
        problem = f"{STATEMENT_CACHE} must be a number; 0 keeps no statements"
        raise ValueError(problem)
    if parts.path in {"", "/"}:
        problem = "must name the database: postgresql://HOST/DATABASE"
        raise ValueError(problem)
    return url


def _refusal(scheme: str) -> str:
    if scheme == "sqlite":
        return "an SQLite URL has three slashes, four for an absolute path: sqlite:///batchwire.db"
    return (
        f"{scheme} is no database for this version; write sqlite:///PATH, a path, or"
        " postgresql://HOST/DATABASE"
    )
