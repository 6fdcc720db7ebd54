"""Whoever sends waits for every import: what only others need is not loaded."""

import subprocess
import sys

_CODE = """
import sys, batchwire.cli.send
print(*set(sys.argv[1:]) & sys.modules.keys())
"""
_OF_OTHERS = (
    "alembic",
    "asyncpg",
    "confluent_kafka",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.orm",
)


def test_sending_on_sqlite_loads_nothing_of_kafka_postgresql_and_migrations() -> None:
    command = [sys.executable, "-c", _CODE, *_OF_OTHERS]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    assert done.stdout.split() == []
