"""Connecting: transactions that mean it, and errors in our own words."""

import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from batchwire.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
)

BUSY_TIMEOUT_S = 10.0
_REMEDY = "restore it from a backup"
READERS = 4
_LEAST_FREE = 64 * 1024  # bytes, of which the index of the write-ahead log takes half

_WAL = "PRAGMA journal_mode=WAL"
_WAL_TRY_S = 0.02
_PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA secure_delete=ON",  # writes zeros: recipients are not in pages set free
)
_WRITER_CACHE = "PRAGMA cache_size=-8192"
_READER_CACHE = "PRAGMA cache_size=-1024"  # reads payloads, each once: no use for more

_BY_CODE: dict[str, tuple[type[StoreError], str]] = {
    "SQLITE_BUSY": (
        StoreBusy,
        "another process keeps the write lock; wait until it is done, or end it",
    ),
    "SQLITE_LOCKED": (StoreBusy, "the database is locked"),
    "SQLITE_FULL": (StoreFull, "the disk is full; free space and it goes on"),
    "SQLITE_READONLY": (
        StoreReadOnly,
        "the file or its directory is read-only; make both writable for this user",
    ),
    "SQLITE_CANTOPEN": (
        StoreUnreachable,
        "cannot be opened; the directory must exist and be writable for this user",
    ),
    "SQLITE_IOERR": (StoreUnreachable, "reading or writing failed; check the disk"),
    "SQLITE_NOTADB": (StoreDamaged, "is no SQLite database; name another file"),
    "SQLITE_CORRUPT": (StoreDamaged, f"is damaged; {_REMEDY}"),
}


def connect(path: str, *, is_writer: bool, busy_timeout_s: float) -> Engine:
    """
    Make an engine for the SQLite file.

    The writer has one connection, whose transactions begin with the write lock
    (``BEGIN IMMEDIATE``): what it read is still true when it writes.
    """
    engine = create_engine(
        URL.create("sqlite", database=path),  # as it is: in a text %20 is a blank
        pool_size=1 if is_writer else READERS,
        max_overflow=0,
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
    )
    begin = "BEGIN IMMEDIATE" if is_writer else "BEGIN"

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's
        connection.isolation_level = None  # the driver begins nothing by itself
        cursor = connection.cursor()
        _write_ahead(cursor, time.monotonic() + busy_timeout_s)
        for pragma in (*_PRAGMAS, _WRITER_CACHE if is_writer else _READER_CACHE):
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _write_ahead(cursor: sqlite3.Cursor, until: float) -> None:
    """Have a write-ahead log; while another process begins one, SQLite does not wait."""
    while True:
        try:
            cursor.execute(_WAL)
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= until:
                raise
            time.sleep(_WAL_TRY_S)
        else:
            return


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn the driver's errors into ours; what is a bug stays what it is."""
    try:
        yield
    except PoolTimeout as error:
        raise StoreBusy(f"database {path}: too many calls wait for it") from error
    except OSError as error:
        raise _of_file(path, error) from error
    except msgspec.MsgspecError as error:
        message = f"database {path}: a row cannot be read ({error}); {_REMEDY}"
        raise StoreDamaged(message) from error
    except DBAPIError as error:
        raise _ours(path, error.orig) from error
    except sqlite3.Error as error:
        raise _ours(path, error) from error


def _of_file(path: str, error: OSError) -> StoreError:
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return StoreReadOnly(f"database {path}: {_BY_CODE['SQLITE_READONLY'][1]}")
    if error.errno == errno.ENOSPC:
        return StoreFull(f"database {path}: {_BY_CODE['SQLITE_FULL'][1]}")
    return StoreUnreachable(f"database {path}: {_BY_CODE['SQLITE_CANTOPEN'][1]}")


def _ours(path: str, error: BaseException | None) -> StoreError:
    name = getattr(error, "sqlite_errorname", "") or ""
    folder = Path(path).resolve().parent
    # Not even a reader can do without the files beside it.
    if name == "SQLITE_CANTOPEN" and folder.is_dir() and not os.access(folder, os.W_OK):
        name = "SQLITE_READONLY"
    if name.startswith("SQLITE_IOERR") and _is_full(path):  # for the files beside it
        name = "SQLITE_FULL"
    for prefix, (kind, problem) in _BY_CODE.items():
        if name.startswith(prefix):
            return kind(f"database {path}: {problem}")
    return StoreError(f"database {path}: {error}")


def _is_full(path: str) -> bool:
    try:
        return shutil.disk_usage(Path(path).resolve().parent).free < _LEAST_FREE
    except OSError:
        return False
