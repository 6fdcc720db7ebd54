"""One broker for all the processes of a test run."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from batchwire.testing.kafka.broker import Broker, new_broker
from batchwire.testing.kafka.locks import locked

GIVEN = "BATCHWIRE_TEST_KAFKA"


@contextmanager
def kafka_address(folder: Path) -> Iterator[str]:
    """
    Give ``bootstrap.servers`` of a broker: the one of BATCHWIRE_TEST_KAFKA, else ours.

    Processes that name the same ``folder`` share one: the first starts it, and it ends
    with the last that uses it. The one that started it waits for that.

    Raises:
        KafkaUnavailable: none is given, and none can be started on this machine.
        BrokerDidNotStart: it did not.

    """
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    started, address, user = _joined_or_started(folder)
    try:
        yield address
    finally:
        if started:
            started.leave()
        if user:
            user.close()


def _joined_or_started(folder: Path) -> tuple[Broker | None, str, IO[bytes] | None]:
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "address"
    with locked(folder / "lock"):
        if written.exists():
            home, address = written.read_text().split()
            user = _joined(Path(home), address)
            if user:
                return None, address, user
        broker = new_broker(folder / f"broker-{os.getpid()}")
        broker.start()
        written.write_text(f"{broker.folder}\n{broker.address}")
    return broker, broker.address, None


def _joined(home: Path, address: str) -> IO[bytes] | None:
    """Become a user of the broker; None where its last user has just gone."""
    user = (home / "users").open("ab")
    host, port = address.split(":")
    try:
        fcntl.flock(user, fcntl.LOCK_SH | fcntl.LOCK_NB)
        socket.create_connection((host, int(port)), timeout=5.0).close()
    except OSError:
        user.close()
        return None
    return user
