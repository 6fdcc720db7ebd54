"""Connecting to PostgreSQL: what asyncpg is told, and two pools."""

import logging
import secrets
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchwire.adapters.sql.worker_rows import APPLICATION_NAME

# A process takes 4 + 4 + 1 of the server's (by default 100) connections. More writers
# wait for each other at the disk and at the rows of batches; readers are few.
POOL_SIZE = 4
POOL_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0
LOCK_TIMEOUT_S = 10.0

_STATEMENT_CACHE = "prepared_statement_cache_size"
# Who is stopped in the middle of a transaction keeps its rows only so long; whose machine
# is gone keeps them for 10 + 3 * 5 seconds.
_IDLE_IN_TRANSACTION_MS = 5_000
_KEEPALIVE = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


def name_of(url: str) -> str:
    """Name the database in messages: where it is, without user and password."""
    parts = urlsplit(url)
    socket = parse_qs(parts.query).get("host", [""])[0]
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or socket}{port}{parts.path}"


def arguments(
    url: str,
    lock_timeout_s: float,
    command_timeout_s: float | None = COMMAND_TIMEOUT_S,
) -> dict[str, Any]:
    """
    Give the arguments of ``asyncpg.connect``; libpq's options stay in the URL.

    No time-out is 0 for locks and None for commands.
    """
    return {
        "dsn": _without_our_options(url)[0],
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": command_timeout_s,
        "server_settings": {
            "application_name": APPLICATION_NAME,
            "lock_timeout": f"{int(lock_timeout_s * 1000)}",
            "idle_in_transaction_session_timeout": f"{_IDLE_IN_TRANSACTION_MS}",
            **_KEEPALIVE,
        },
    }


def pool(
    url: str,
    lock_timeout_s: float,
    command_timeout_s: float | None = COMMAND_TIMEOUT_S,
) -> AsyncEngine:
    """Make an engine with a pool of its own; as ``arguments``. Nothing connects yet."""
    # How connections were lost, with tracebacks; what that means for us we say ourselves.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    return create_async_engine(
        "postgresql+asyncpg://",
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        hide_parameters=True,  # they hold people's numbers
        connect_args=arguments(url, lock_timeout_s, command_timeout_s)
        | _of_statements(url),
    )


def _of_statements(url: str) -> dict[str, Any]:
    """Say how statements are prepared: a pooler between us may not keep them."""
    size = _without_our_options(url)[1].get(_STATEMENT_CACHE, "")
    if not size:
        return {}
    return {
        _STATEMENT_CACHE: int(size),
        "statement_cache_size": int(size),
        "prepared_statement_name_func": _fresh_name,
    }


def _fresh_name() -> str:
    return f"batchwire_{secrets.token_hex(8)}"


def _without_our_options(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    options = parse_qsl(parts.query)
    theirs = [(key, value) for key, value in options if key != _STATEMENT_CACHE]
    dsn = urlunsplit(parts._replace(query=urlencode(theirs)))
    return dsn, {key: value for key, value in options if key == _STATEMENT_CACHE}
