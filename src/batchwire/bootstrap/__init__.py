"""The only place where adapters meet ports: from settings to a working service."""

import gc
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from batchwire.adapters.http.provider import HttpProvider
from batchwire.adapters.sandbox import Behaviour, SandboxProvider
from batchwire.adapters.sql.retention import SqlRetention
from batchwire.adapters.sql.store import SqlStore
from batchwire.adapters.system.clock import SystemClock
from batchwire.bootstrap.databases import database
from batchwire.bootstrap.events import Events, batch_handlers
from batchwire.config import ProviderSettings, Settings
from batchwire.config.settings import HttpProviderSettings
from batchwire.engine.control import Control
from batchwire.engine.intake import Intake
from batchwire.engine.retention import Purge
from batchwire.engine.run import Engine
from batchwire.ports.clock import Clock
from batchwire.ports.provider import Provider


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
    events: Events
    retention: SqlRetention
    purge: Purge


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[App]:
    """
    Open the database and put everything together.

    Raises:
        StoreError: the database cannot be used.
        ProviderSettingsRefused: a provider's settings cannot work.

    """
    clock = SystemClock()
    kept = database(settings)
    store = SqlStore(kept, clock, settings.batch_events.outbox_max_rows)
    providers = {n: provider(n, one, clock) for n, one in settings.providers.items()}
    engine_settings = settings.engine.build()
    intake, control = Intake(store, clock), Control(store, clock)
    handlers = batch_handlers(settings, store, intake, control, providers)
    retention = SqlRetention(kept)
    try:
        await store.open()
        yield App(
            settings=settings,
            clock=clock,
            store=store,
            intake=intake,
            control=control,
            providers=providers,
            engine=Engine(store, clock, providers, engine_settings),
            events=Events(settings, kept, clock, handlers),
            retention=retention,
            purge=Purge(store, retention, clock),
        )
    finally:
        await store.close()


def spare_collections() -> None:
    """
    Let the garbage collector leave alone what is loaded, and come more rarely.

    For a process of our own, before its work begins: the collector otherwise walks
    through every imported module time and again (a tenth of the throughput over HTTP).
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def switch_often() -> None:
    """
    Let threads that wait for the interpreter have it after 0.5 ms instead of 5.

    For a process of our own: the store's writer needs it again after each statement,
    while the loop makes messages.
    """
    sys.setswitchinterval(0.0005)


def provider(name: str, settings: ProviderSettings, clock: Clock) -> Provider:
    """Make the provider that its settings describe."""
    if isinstance(settings, HttpProviderSettings):
        return HttpProvider(name, settings)
    behaviour = Behaviour(**settings.behaviour())
    return SandboxProvider(behaviour, clock=clock, name=name)
