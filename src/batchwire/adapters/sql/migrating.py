"""The migrations, by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def configuration() -> Config:
    """Make Alembic's configuration: the migrations beside this module."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def run(conn: Connection, revision: str) -> None:
    """Bring the schema to a version."""
    config = configuration()
    config.attributes["connection"] = conn
    command.upgrade(config, revision)
