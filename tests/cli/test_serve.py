"""``batchwire serve``: by roles, and by several processes with a parent."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess, Popen

import asyncpg
import pytest

from batchwire.cli.exit_codes import ExitCode

Cli = Callable[..., CompletedProcess[str]]
Start = Callable[..., Popen[str]]
LIMIT_S = 30.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--roles", "engine,api"),
            "there is no role 'api'; there are engine, consumer",
        ),
        (("--roles", ","), "no role is named"),
        (("--roles", "relay", "--workers", "2"), "--workers is for engines"),
        (("--roles", "relay", "--until-idle"), "--until-idle is for engines"),
        (("--roles", "engine", "--metrics-port", "0"), "--metrics-port shows"),
    ],
)
def test_what_would_do_nothing_is_refused(
    cli: Cli, words: tuple[str, ...], said: str
) -> None:
    done = cli("serve", *words)
    assert done.returncode == ExitCode.USAGE
    assert said in " ".join(done.stderr.split())


def test_several_engines_on_sqlite_are_refused(cli: Cli) -> None:
    done = cli("serve", "--workers", "2")
    assert done.returncode == ExitCode.SETTINGS
    assert "--workers 2 needs PostgreSQL" in done.stderr
    assert "name a postgresql:// URL, or leave --workers away" in done.stderr


def test_an_engine_alone_leaves_the_topic_to_others(cli: Cli, people: Path) -> None:
    cli("send", people, "--template", "Hi", "--batch-id", "b1")
    done = cli("serve", "--roles", "engine", "--until-idle")
    assert done.returncode == 0
    assert done.stderr.startswith("engine on ")


def test_it_drains_when_whoever_started_it_by_a_pipe_has_gone(start: Start) -> None:
    served = start("serve", "--end-with-stdin", "--json")
    assert served.stdin is not None
    _until(lambda: Path("batchwire.db.lock").exists())
    served.stdin.close()
    served.stdin = None
    assert served.wait(LIMIT_S) == 0


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        (
            "engine",
            "stopping: waits for the answers to what is in flight (at most 7 s)",
        ),
        ("relay", ""),
    ],
)
def test_at_ctrl_c_an_engine_says_what_it_waits_for(
    start: Start, roles: str, says: str
) -> None:
    Path("batchwire.yaml").write_text("engine: {drain_timeout_s: 7}\n")
    served = start("serve", "--roles", roles)
    assert served.stderr is not None
    served.stderr.readline()
    served.send_signal(signal.SIGINT)
    said = served.communicate(timeout=LIMIT_S)[1].splitlines()
    assert served.returncode == 0
    told = "".join(line for line in said if not line.startswith("{"))  # no log line
    assert told.partition(";")[0] == says


@pytest.mark.parametrize("by_stdin", [False, True])
def test_a_database_that_hangs_keeps_nobody_beyond_the_limit(
    start: Start, postgres_url: str, *, by_stdin: bool
) -> None:
    Path("batchwire.yaml").write_text("engine: {drain_timeout_s: 0}\n")
    served = start("--database", postgres_url, "serve", "--end-with-stdin")
    assert served.stderr is not None
    assert served.stdin is not None
    served.stderr.readline()
    time.sleep(1)
    backends = asyncio.run(_backends(postgres_url))
    try:
        for pid in backends:
            os.kill(pid, signal.SIGSTOP)
        if by_stdin:
            served.stdin.close()
            served.stdin = None
        else:
            served.send_signal(signal.SIGTERM)
        _, said = served.communicate(timeout=LIMIT_S)  # a statement may take 60 s
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)
    assert served.returncode == ExitCode.INTERRUPTED
    assert said.endswith("the next start goes on where this one was\n")
    assert "Traceback" not in said


async def _backends(postgres_url: str) -> list[int]:
    """Give the server's processes for a database, but for our own."""
    session = await asyncpg.connect(postgres_url)
    try:
        rows = await session.fetch(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await session.close()
    return [row["pid"] for row in rows]


def test_several_drain_too_when_standard_input_ends(
    start: Start, postgres_url: str
) -> None:
    words = ("--workers", "2", "--end-with-stdin", "--json")
    served = start("--database", postgres_url, "serve", *words)
    out, _ = served.communicate("", timeout=LIMIT_S)
    assert (served.returncode, json.loads(out)["workers"]) == (0, 2)


@pytest.fixture
def parent(start: Start, postgres_url: str) -> Iterator["Parent"]:
    one = Parent(start, postgres_url)
    yield one
    one.end()


class Parent:
    """A supervisor of two engines, and what it said."""

    def __init__(self, start: Start, url: str) -> None:
        Path("batchwire.yaml").write_text("log_format: json\n")
        self._words = ("--database", url, "serve", "--workers", "2", "--json")
        self.process = start(*self._words)
        self._said: list[dict[str, object]] = []

    def started(self, count: int) -> list[int]:
        """Wait until so many processes were started in all; gives their pids."""
        while True:
            pids = [one["pid"] for one in self._said if _is_start(one)]
            if len(pids) >= count:
                return [int(str(pid)) for pid in pids]
            assert self.process.stderr is not None
            line = self.process.stderr.readline()
            assert line, "the parent ended"
            if line.startswith("{"):
                self._said.append(json.loads(line))

    def end(self) -> None:
        """Leave nobody behind."""
        pids = [int(str(one["pid"])) for one in self._said if _is_start(one)]
        for pid in pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def _is_start(one: dict[str, object]) -> bool:
    return one["event"] == "worker_started"


def is_alive(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    return state(pid) not in {"", "Z"}


def state(pid: int) -> str:
    """Give the letter of the kernel for the state of a process; empty: it has gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[0]


def test_one_that_dies_is_started_again_and_one_signal_drains_all(
    parent: Parent,
) -> None:
    first = parent.started(3)  # two engines, and the events
    os.kill(first[0], signal.SIGKILL)
    everybody = parent.started(4)
    assert len(set(everybody)) == 4
    parent.process.send_signal(signal.SIGINT)
    out, _ = parent.process.communicate(timeout=LIMIT_S)
    assert parent.process.returncode == 0
    assert json.loads(out) == {"workers": 2, "restarts": 1}
    assert not any(map(is_alive, everybody))


def test_who_is_at_work_is_listed(cli: Cli, parent: Parent, postgres_url: str) -> None:
    pids = {str(pid) for pid in parent.started(3)}
    on = ("--database", postgres_url)

    def seen() -> set[str]:
        found = json.loads(cli(*on, "workers", "--json").stdout)
        return {one["process"].rpartition(":")[2] for one in found}

    _until(lambda: seen() == pids)
    assert cli(*on, "workers").stdout.count("engine") == 2


def test_a_second_signal_ends_even_those_that_stand_still(parent: Parent) -> None:
    everybody = parent.started(3)
    still, *others = everybody
    os.kill(still, signal.SIGSTOP)
    _until(lambda: state(still) == "T")  # before that, SIGTERM overtakes and ends it
    parent.process.send_signal(signal.SIGTERM)
    _until(lambda: not any(map(is_alive, others)))
    assert is_alive(still)
    time.sleep(0.5)  # sooner it would be the same one
    parent.process.send_signal(signal.SIGTERM)
    assert parent.process.wait(LIMIT_S) == ExitCode.INTERRUPTED
    assert not any(map(is_alive, everybody))


def test_the_parent_says_at_ctrl_c_what_it_waits_for(parent: Parent) -> None:
    parent.started(3)
    parent.process.send_signal(signal.SIGINT)
    assert parent.process.stderr is not None
    assert "stopping: " in parent.process.stderr.read()
    assert parent.process.wait(LIMIT_S) == ExitCode.OK


def test_when_the_parent_is_killed_its_children_end(parent: Parent) -> None:
    everybody = parent.started(3)
    parent.process.kill()
    _until(lambda: not any(map(is_alive, everybody)))


def test_a_batch_is_delivered_until_all_engines_are_idle(
    cli: Cli, people: Path, postgres_url: str
) -> None:
    on = ("--database", postgres_url)
    cli(*on, "send", people, "--template", "Hi", "--batch-id", "b1")
    done = cli(*on, "serve", "--workers", "2", "--until-idle", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"workers": 2, "restarts": 0}
    assert cli(*on, "verify").returncode == 0


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
