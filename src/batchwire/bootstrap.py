"""The only place where adapters meet ports: from settings to a working service."""

import gc
import importlib
import importlib.util
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from batchwire.adapters.http.provider import HttpProvider
from batchwire.adapters.sandbox import Behaviour, SandboxProvider
from batchwire.adapters.sql.database import Database
from batchwire.adapters.sql.sqlite import SqliteDatabase
from batchwire.adapters.sql.store import SqlStore
from batchwire.adapters.system.clock import SystemClock
from batchwire.config import ProviderSettings, Settings
from batchwire.config.settings import HttpProviderSettings
from batchwire.engine.control import Control
from batchwire.engine.intake import Intake
from batchwire.engine.run import Engine
from batchwire.errors import SettingsError
from batchwire.ports.clock import Clock
from batchwire.ports.provider import Provider

_OF_POSTGRESQL = ("asyncpg", "greenlet")


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A service on its database. Everything but ``engine`` works beside a running one."""

    settings: Settings
    clock: Clock
    store: SqlStore
    intake: Intake
    control: Control
    providers: Mapping[str, Provider]
    engine: Engine


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[App]:
    """
    Open the database and put everything together.

    Raises:
        StoreError: the database cannot be used.
        ProviderSettingsRefused: a provider's settings cannot work.

    """
    clock = SystemClock()
    store = SqlStore(database(settings), clock)
    providers = {n: provider(n, one, clock) for n, one in settings.providers.items()}
    engine_settings = settings.engine.build()
    try:
        await store.open()
        yield App(
            settings=settings,
            clock=clock,
            store=store,
            intake=Intake(store, clock),
            control=Control(store, clock),
            providers=providers,
            engine=Engine(store, clock, providers, engine_settings),
        )
    finally:
        await store.close()


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


def database(settings: Settings) -> Database:
    """
    Make the database that the settings name. Nothing is opened yet.

    Raises:
        SettingsError: what PostgreSQL needs is not installed.

    """
    if settings.database_path:
        return SqliteDatabase(settings.database_path)
    missing = [one for one in _OF_POSTGRESQL if importlib.util.find_spec(one) is None]
    if missing:
        message = (
            f"database_url: PostgreSQL needs {' and '.join(missing)};"
            " `pip install 'batchwire[postgres]'` installs it"
        )
        raise SettingsError(message)
    # Not an import statement: who has SQLite need not have, nor load, its driver.
    module = importlib.import_module("batchwire.adapters.sql.postgres")
    made: Database = module.PostgresDatabase(settings.database_url)
    return made


def spare_collections() -> None:
    """
    Let the garbage collector leave alone what is loaded, and come more rarely.

    For a process of our own, before its work begins: the collector otherwise walks
    through every imported module time and again (a tenth of the throughput over HTTP).
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def provider(name: str, settings: ProviderSettings, clock: Clock) -> Provider:
    """Make the provider that its settings describe."""
    if isinstance(settings, HttpProviderSettings):
        return HttpProvider(name, settings)
    behaviour = Behaviour(**settings.behaviour())
    return SandboxProvider(behaviour, clock=clock)
