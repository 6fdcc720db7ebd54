"""What the soak works on: a PostgreSQL and a provider of its own, and the service."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from batchwire.adapters.sandbox import Behaviour
from batchwire.adapters.sandbox.server import SandboxServer, ServerSettings
from batchwire.bootstrap import App, opened
from batchwire.config import load
from batchwire.testing.postgres import Cluster

KEYED, PLAIN = "keyed", "plain"  # with an idempotency key that is honoured, and without
DEAD_AFTER_S = 8.0

_HTTP = {
    "kind": "http",
    "body": {"to": "<to>", "text": "<text>"},
    "answer": {"message_id": "id", "error_code": ["error.code"]},
    "concurrency": 16,
    "timeout_s": 5.0,
    "connect_timeout_s": 1.0,
}
_ENGINE = {
    "heartbeat_s": 2.0,
    "trust_s": 5.0,
    "dead_after_s": DEAD_AFTER_S,
    "drain_timeout_s": 10.0,
}
_TROUBLE = Behaviour(
    latency_ms=15,
    jitter_ms=10,
    transient_rate=0.01,
    permanent_rate=0.01,
    reset_rate=0.002,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that is up; ``app`` looks and operates beside the processes."""

    cluster: Cluster
    provider: SandboxServer
    app: App
    log: Path
    parent: asyncio.subprocess.Process

    def workers(self) -> dict[str, int]:
        """Give the pids of the children by name, as the supervisor last told them."""
        found: dict[str, int] = {}
        for line in self.log.read_text().splitlines():
            if '"worker_started"' in line:
                told = json.loads(line)
                found[told["worker"]] = told["pid"]
        return found


@asynccontextmanager
async def world(folder: Path, engines: int) -> AsyncIterator[World]:
    """Start all of it; leave nothing behind."""
    cluster = Cluster()
    provider = SandboxServer(ServerSettings(behaviour=_TROUBLE))
    await provider.start()
    try:
        await asyncio.to_thread(cluster.start)
        await cluster.execute("CREATE DATABASE soak")
        config = _settings(folder, cluster.url("soak"), provider.url)
        async with opened(load(config, environ={})) as app:
            log = folder / "log"
            parent = await _start(config, log, engines)
            try:
                yield World(
                    cluster=cluster,
                    provider=provider,
                    app=app,
                    log=log,
                    parent=parent,
                )
            finally:
                await _end(parent)
    finally:
        await provider.stop()
        await asyncio.to_thread(cluster.remove)


def _settings(folder: Path, database: str, provider: str) -> Path:
    way = {**_HTTP, "url": f"{provider}/messages"}
    keyed = {**way, "idempotency_header": "Idempotency-Key", "rate_parts_per_s": 300}
    told = {
        "database_url": database,
        "providers": {KEYED: keyed, PLAIN: way},
        "default_provider": PLAIN,
        "engine": _ENGINE,
        "log_format": "json",
    }
    config = folder / "settings.yaml"
    config.write_text(json.dumps(told))
    return config


async def _start(config: Path, log: Path, engines: int) -> asyncio.subprocess.Process:
    words = ["--config", str(config), "serve", "--end-with-stdin"]
    with log.open("wb") as out:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "batchwire",
            *words,
            "--workers",
            str(engines),
            stdin=asyncio.subprocess.PIPE,  # it ends with us, however we end
            stdout=out,
            stderr=out,
            env={k: v for k, v in os.environ.items() if not k.startswith("BATCHWIRE_")},
            cwd=config.parent,
        )


async def _end(parent: asyncio.subprocess.Process) -> None:
    if parent.returncode is None:
        parent.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(40):
                await parent.wait()
        except TimeoutError:
            parent.kill()
