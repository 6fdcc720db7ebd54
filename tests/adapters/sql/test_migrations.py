"""The migrations build the schema that the code works with."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from batchwire.adapters.sql import migrate
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.adapters.sql.tables import metadata
from batchwire.errors import UnknownSchema
from batchwire.testing.clock import ManualClock


async def test_the_migrations_build_the_tables(store: SqlStore, path: Path) -> None:
    del store
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        assert context.get_current_revision() == migrate.HEAD
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_head_is_that_of_the_scripts() -> None:
    scripts = ScriptDirectory.from_config(migrate.configuration())
    assert scripts.get_heads() == [migrate.HEAD]


async def test_a_newer_schema_is_refused(
    store: SqlStore, path: Path, clock: ManualClock
) -> None:
    await store.close()
    with sqlite3.connect(path) as direct:
        direct.execute("UPDATE alembic_version SET version_num = '9999'")
    direct.close()
    old = SqlStore(SqliteDatabase(str(path)), clock)
    with pytest.raises(
        UnknownSchema, match="9999 is newer than this program; upgrade batchwire"
    ):
        await old.open()
    await old.close()
