"""The schema's migrations, by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from batchwire.errors import UnknownSchema

HEAD = "0002"
_KNOWN = frozenset({"0001", HEAD})


def configuration() -> Config:
    """Make Alembic's configuration: the migrations beside this module."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(conn: Connection, path: str) -> None:
    """
    Bring the schema to this program's version.

    Raises:
        UnknownSchema: a newer program migrated it.

    """
    current = MigrationContext.configure(conn).get_current_revision()
    if current == HEAD:
        return
    if current is not None and current not in _KNOWN:
        message = (
            f"database {path}: its schema {current} is newer than this program;"
            " upgrade batchwire, or name another database"
        )
        raise UnknownSchema(message)
    config = configuration()
    config.attributes["connection"] = conn
    command.upgrade(config, HEAD)
