"""The code blocks of the pages are run, and what they show is what comes out."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^```(?P<kind>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$"
    r"|^<!-- until: (?P<batch>\S+) (?P<status>\S+) -->$",
    re.MULTILINE | re.DOTALL,
)
VARYING = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:[\d.]+Z|\b[0-9a-f]{32}\b")
ANYTHING = "..."  # as the last line of an output
PAGES = [
    "README.md",
    "README.zh-CN.md",
    *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")),
]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_happens(page: str, tmp_path: Path) -> None:
    session = Session(tmp_path)
    for block in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
        session.add(block)
    session.run()


class Session:
    """One shell in one folder, for all blocks of a page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._script = ["set -m"]  # job control: kill %1
        self._shown: list[tuple[str, list[str]]] = []

    def add(self, block: re.Match[str]) -> None:
        """Take in the next block of the page."""
        if block["batch"]:
            self._script.append(_until(block["batch"], block["status"]))
        elif block["title"]:
            self._script.append(_heredoc(block["title"], block["text"]))
        elif block["kind"] == "python":
            self._step(f"python - <<'END'\n{block['text']}END", [])
        elif block["kind"] == "console":
            for command in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                line, *output = command.splitlines()
                self._step(line, output)

    def run(self) -> None:
        """Run everything, then compare."""
        if not self._shown:
            return
        script = "\n".join([*self._script, "kill $(jobs -p) 2>err; wait"])
        environment = {k: v for k, v in os.environ.items() if "BATCHWIRE" not in k}
        programs = str(Path(sys.executable).parent)
        environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
        subprocess.run(  # noqa: S603 our own pages
            ["/bin/bash", "-c", script],
            cwd=self._folder,
            env=environment,
            check=False,
            timeout=170,
        )
        for number, (command, expected) in enumerate(self._shown):
            said = self._read(number, "err")
            assert self._read(number, "code") == "0\n", f"{command}: {said}"
            self._compare(command, expected, self._read(number, "out"))

    def _compare(self, command: str, expected: list[str], output: str) -> None:
        found = VARYING.sub("VARYING", output).splitlines()
        lines = [VARYING.sub("VARYING", line) for line in expected]
        while lines and not lines[-1]:
            lines.pop()
        if lines and lines[-1] == ANYTHING:
            lines.pop()
            found = found[: len(lines)]
        if not command.endswith("&") and expected:
            assert found == lines, command

    def _read(self, number: int, kind: str) -> str:
        return (self._folder / f"{number}.{kind}").read_text(encoding="utf-8")

    def _step(self, command: str, output: list[str]) -> None:
        number = len(self._shown)
        self._shown.append((command, output))
        files = f">{number}.out 2>{number}.err"
        if command.endswith("&"):
            line = f"{command.removesuffix('&')} {files} &"
        else:
            line = f"{{ {command}\n}} {files}"
        self._script.append(f"{line}\necho $? >{number}.code")


def _heredoc(name: str, text: str) -> str:
    quoted = shlex.quote(name)
    return f"mkdir -p \"$(dirname {quoted})\"; cat >{quoted} <<'END'\n{text}END"


def _until(batch: str, status: str) -> str:
    """Wait, as a person would who reads on slowly."""
    return (
        f"for _ in $(seq 100); do batchwire show {batch} --json"
        f' | grep -q \'"status": "{status}"\' && break; sleep 0.1; done'
    )
