"""The database that the settings name, and what its facts tell the topic."""

import importlib
import importlib.util

from batchwire.adapters.sql.copying import Copied, Tell, copy
from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.config import Settings
from batchwire.errors import SettingsError
from batchwire.messages.announcement import Announcer

_OF_POSTGRESQL = ("asyncpg", "greenlet")


async def upgraded(settings: Settings) -> tuple[str, str]:
    """
    Bring the database's schema to this program's; returns the versions before and after.

    Raises:
        StoreError: the database cannot be used.

    """
    one = database(settings)
    try:
        return await one.upgrade()
    finally:
        await one.close()


async def copied(source: Settings, target: Settings, tell: Tell) -> Copied:
    """
    Copy a database into another one; ``tell`` hears how far it is.

    Raises:
        StoreError: one of them cannot be used, or an engine works on it.

    """
    one, other = database(source), database(target)
    try:
        return await copy(one, other, tell)
    finally:
        await other.close()
        await one.close()


def database(settings: Settings) -> Database:
    """
    Make the database that the settings name. Nothing is opened yet.

    Raises:
        SettingsError: what PostgreSQL needs is not installed.

    """
    if settings.database_path:
        return SqliteDatabase(settings.database_path, _announcer(settings))
    missing = [one for one in _OF_POSTGRESQL if importlib.util.find_spec(one) is None]
    if missing:
        message = (
            f"database_url: PostgreSQL needs {' and '.join(missing)};"
            " `pip install 'batchwire[postgres]'` installs it"
        )
        raise SettingsError(message)
    # Not an import statement: who has SQLite need not have, nor load, its driver.
    module = importlib.import_module("batchwire.adapters.sql.postgres")
    made: Database = module.PostgresDatabase(
        settings.database_url, _announcer(settings)
    )
    return made


def _announcer(settings: Settings) -> Announcer:
    events = settings.batch_events
    return Announcer(events.source, events.type_prefix, events.kafka.topic)
