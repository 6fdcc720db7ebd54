"""Every command reads the settings first: that must not load what it does not need."""

import subprocess
import sys

NOT_NEEDED = {
    "sqlalchemy",
    "asyncpg",
    "confluent_kafka",
    "phonenumbers",
    "rich",
    "typer",
}


def test_settings_load_no_driver_and_no_terminal() -> None:
    code = "import sys, batchwire.config; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)  # noqa: S603
    assert "batchwire.config" in loaded.split()
    assert NOT_NEEDED.isdisjoint(loaded.split())
