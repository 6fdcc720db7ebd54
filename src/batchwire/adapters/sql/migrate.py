"""The schema's migrations, by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, column, table, update

from batchwire.errors import UnknownSchema

HEAD = "0004"
COPYING = "copying"  # instead of a version, while a database is copied into this one
_KNOWN = frozenset({"0001", "0002", "0003", HEAD})

_version = table("alembic_version", column("version_num"))


def configuration() -> Config:
    """Make Alembic's configuration: the migrations beside this module."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(conn: Connection, name: str) -> tuple[str, str]:
    """
    Bring the schema to this program's version; returns the ones before and after.

    Raises:
        UnknownSchema: a newer program migrated it.

    """
    before = current(conn)
    if before == HEAD:
        return HEAD, HEAD
    _must_be_known(before, name)
    config = configuration()
    config.attributes["connection"] = conn
    command.upgrade(config, HEAD)
    return before, HEAD


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
    return MigrationContext.configure(conn).get_current_revision() or ""


def mark(conn: Connection, revision: str) -> None:
    """Let every program find this version."""
    conn.execute(update(_version).values(version_num=revision))


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
