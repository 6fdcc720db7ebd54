"""Which version the schema has, and the way to this program's (``migrating.py``)."""

import importlib

from sqlalchemy import (
    Connection,
    column,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)

from batchwire.adapters.sql.tables import metadata
from batchwire.errors import UnknownSchema

HEAD = "0005"
COPYING = "copying"  # instead of a version, while a database is copied into this one
_KNOWN = frozenset({"0001", "0002", "0003", "0004", HEAD})

_version = table("alembic_version", column("version_num"))
_create_version = text(  # as Alembic does
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def upgrade(conn: Connection, name: str) -> tuple[str, str]:
    """
    Bring the schema to this program's version; returns the ones before and after.

    Raises:
        UnknownSchema: a newer program migrated it.

    """
    before = current(conn)
    _must_be_ours(conn, before, name)
    if before == HEAD:
        return HEAD, HEAD
    _must_be_known(before, name)
    if not before and conn.dialect.name == "sqlite":
        _create(conn)
        return before, HEAD
    # Not an import statement: Alembic is loaded where there is something to migrate.
    importlib.import_module("batchwire.adapters.sql.migrating").run(conn, HEAD)
    return before, HEAD


def _create(conn: Connection) -> None:
    """Make a new file's tables at once: that takes a tenth of the migrations' time."""
    metadata.create_all(conn, checkfirst=False)
    conn.execute(_create_version)
    conn.execute(insert(_version).values(version_num=HEAD))


def check(conn: Connection, name: str) -> None:
    """
    Do nothing, where the schema is this program's.

    Raises:
        UnknownSchema: it is older or newer; says what mends it.

    """
    found = current(conn)
    if found == HEAD:
        return
    _must_be_known(found, name)
    message = (
        f"database {name}: its schema {found or '(none)'} is older than this program's"
        f" {HEAD}; stop what works on it, then run `batchwire db upgrade`"
    )
    raise UnknownSchema(message)


def current(conn: Connection) -> str:
    """Read the schema's version, empty where there is none."""
    if not inspect(conn).has_table(_version.name):
        return ""
    return conn.execute(select(_version.c.version_num)).scalar() or ""


def mark(conn: Connection, revision: str) -> None:
    """Let every program find this version."""
    conn.execute(update(_version).values(version_num=revision))


def _must_be_ours(conn: Connection, revision: str, name: str) -> None:
    """Refuse another program's tables; a schema of PostgreSQL may have both."""
    there = set(inspect(conn).get_table_names()) - {_version.name}
    if revision in _KNOWN:
        is_ours = "batches" in there
    else:
        is_ours = bool(revision) or not there or conn.dialect.name == "postgresql"
    if not is_ours:
        message = f"database {name}: is another program's; name another database"
        raise UnknownSchema(message)


def _must_be_known(revision: str, name: str) -> None:
    if revision == COPYING:
        message = (
            f"database {name}: a copy into it goes on, or was cut short; wait for it, or"
            " run `batchwire db copy` again, which starts it anew"
        )
        raise UnknownSchema(message)
    if revision and revision not in _KNOWN:
        message = (
            f"database {name}: its schema {revision} is newer than this program;"
            " upgrade batchwire, or name another database"
        )
        raise UnknownSchema(message)
