"""
What tests of several rooms need: a PostgreSQL of this process, and databases on it.

And what every test obeys: a record that it encodes fits what is published.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import settings

from batchwire.adapters.sql.postgres import PostgresDatabase
from batchwire.domain.record import Record
from batchwire.messages import codec
from batchwire.testing import published
from batchwire.testing.postgres import Cluster, NoPostgres

settings.register_profile("untimed", deadline=None)  # timing is measured in bench/
settings.load_profile("untimed")

pytest_plugins = ["batchwire.testing.kafka.fixtures"]

_TEMPLATE = "migrated"
_number = count(1)


@pytest.fixture(autouse=True)
def _every_record_fits_what_is_published(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """
    Compare each record that ``encode`` makes in this process, whoever called it.

    ``encode`` itself has been taken by name elsewhere, so what it calls is replaced. What
    a test starts as a process of its own is out of reach.
    """
    misfits: list[str] = []

    def made(**parts: Any) -> Record:  # noqa: ANN401 - as they are
        record = Record(**parts)
        misfits.extend(published.misfits(record))
        return record

    monkeypatch.setattr(codec, "Record", made)
    yield
    assert not misfits


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Give the server; without the means it skips here and fails in CI."""
    try:
        one = Cluster()
        one.start()
    except NoPostgres as why:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(why))
    yield one
    one.remove()


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> str:
    """Give the name of a database to copy, which has the schema and nothing else."""

    async def make() -> None:
        await cluster.execute(f"CREATE DATABASE {_TEMPLATE}")
        database = PostgresDatabase(cluster.url(_TEMPLATE))
        await database.open()
        await database.close()

    with asyncio.Runner() as runner:
        runner.run(make())
    return _TEMPLATE


@pytest.fixture
async def postgres_url(cluster: Cluster, migrated: str) -> AsyncIterator[str]:
    """Give the URL of a migrated database for one test."""
    name = f"test_{next(_number)}"
    await cluster.execute(f"CREATE DATABASE {name} TEMPLATE {migrated}")
    yield cluster.url(name)
    await cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")
