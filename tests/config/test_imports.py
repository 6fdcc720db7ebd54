"""Every command reads the settings first: that must not load what it does not need."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["sqlalchemy", "aiosqlite", "phonenumbers", "httpx", "rich", "typer"]
)
def test_settings_load_no_driver_and_no_terminal(module: str) -> None:
    code = f"import sys, batchwire.config; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
