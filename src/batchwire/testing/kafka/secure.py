"""One broker with every kind of door, and an authoriser behind them."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchwire.testing.kafka.broker import Broker, cluster_id
from batchwire.testing.kafka.certificates import Certificates, made_certificates
from batchwire.testing.kafka.listeners import Listener, Security, format_arguments
from batchwire.testing.kafka.ports import free_ports
from batchwire.testing.kafka.properties import Node

# The plain listener has nobody's name, and may do everything, as "admin" may.
_AUTHORISER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS;User:admin;User:CN=client",
}
USERS = {"admin": "admin-secret", "guest": "guest-secret"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureBroker:
    """
    What a client needs for each of the doors.

    ``doors`` is the address by name: TLS, MUTUAL_TLS, PLAIN, SCRAM_256, SCRAM_512, OAUTH,
    TLS_PLAIN, and LOST, which sends clients to ``nowhere``, where nobody listens.
    "admin" may do everything; "guest" what somebody allows.
    """

    broker: Broker
    doors: Mapping[str, str]
    certificates: Certificates
    nowhere: str
    users: Mapping[str, str]


@contextmanager
def running_secure_broker(folder: Path | None = None) -> Iterator[SecureBroker]:
    """
    Give one that serves; it is killed at the end.

    Raises:
        KafkaUnavailable: this machine has no Java or openssl, or cannot fetch Kafka.
        BrokerDidNotStart: it did not.

    """
    with tempfile.TemporaryDirectory(prefix="batchwire-kafka-") as scratch:
        secure = _made(folder or Path(scratch))
        try:
            secure.broker.start()
            yield secure
        finally:
            secure.broker.kill()


def _made(folder: Path) -> SecureBroker:
    certificates = made_certificates(folder / "certificates")
    port, controller, elsewhere, *ports = free_ports(11)
    nowhere = f"127.0.0.1:{elsewhere}"
    listeners = _listeners(ports, nowhere)
    node = Node(
        port=port,
        voters={1: controller},
        listeners=listeners,
        security=Security(users=USERS, certificates=certificates),
        settings=_AUTHORISER,
    )
    broker = Broker(node, folder / "broker")
    broker.format(cluster_id(), format_arguments(USERS))
    return SecureBroker(
        broker=broker,
        doors={listener.name: listener.address for listener in listeners},
        certificates=certificates,
        nowhere=nowhere,
        users=USERS,
    )


def _listeners(ports: list[int], nowhere: str) -> tuple[Listener, ...]:
    tls, mutual, plain, scram_256, scram_512, oauth, tls_plain, lost = ports
    return (
        Listener(name="TLS", port=tls, has_tls=True),
        Listener(name="MUTUAL_TLS", port=mutual, has_tls=True, asks_certificate=True),
        Listener(name="PLAIN", port=plain, mechanism="PLAIN"),
        Listener(name="SCRAM_256", port=scram_256, mechanism="SCRAM-SHA-256"),
        Listener(name="SCRAM_512", port=scram_512, mechanism="SCRAM-SHA-512"),
        Listener(name="OAUTH", port=oauth, mechanism="OAUTHBEARER"),
        Listener(name="TLS_PLAIN", port=tls_plain, has_tls=True, mechanism="PLAIN"),
        Listener(name="LOST", port=lost, advertised=nowhere),
    )
