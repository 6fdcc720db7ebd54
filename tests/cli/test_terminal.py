"""What somebody sees who works on a terminal."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Terminal = Callable[..., Any]


def lines(shown: str) -> list[str]:
    """Split what a terminal was shown where a line begins, or again; no colours."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    return [line.rstrip() for line in re.split(r"[\r\n]+(?:\x1b\[2K)?", plain)]


def test_a_log_line_has_lines_of_its_own_beside_the_bar(
    terminal: Terminal, people: Path, folder: Path
) -> None:
    (folder / "batchwire.yaml").write_text(
        "providers:\n  away: {kind: http, url: 'http://127.0.0.1:9/',"
        " body: {to: <to>, text: <text>}}\n"
    )
    send = terminal("send", people, "--template", "Hi", "--batch-id", "b1")
    send.until("provider_down")
    send.until("away")
    (logged,) = (line for line in lines(send.shown) if "provider_down" in line)
    assert re.fullmatch(r"[\d.:TZ-]+ \[warning +\] provider_down", logged)
