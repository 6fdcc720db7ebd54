"""The way to a broker below Kafka's protocol: name, TCP port, TLS handshake."""

import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batchwire.adapters.kafka.connection import TlsSettings
from batchwire.adapters.kafka.diagnosis import Check, Step, failed, held

TIMEOUT_S = 5.0
# With TLS 1.3 a broker refuses our certificate only after the handshake.
REFUSAL_TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write ``host:port``."""
        return f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """Read ``host:port``; 9092 where no port is given, IPv6 in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port:
        host, port = text, "9092"
    return Address(host=host.strip("[]"), port=int(port))


def resolved(brokers: Sequence[Address]) -> tuple[Step, list[Address]]:
    """Look the names up; one that is known is enough."""

    def look_up(broker: Address) -> str:
        found = socket.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
        return f"{broker.host} is {found[0][4][0]}"

    return _of_each(
        Check.NAME,
        brokers,
        look_up,
        "the name is not known to this machine: check its spelling in batch_events.kafka.brokers,"
        " the name server, and the search domain",
    )


def connected(brokers: Sequence[Address]) -> tuple[Step, list[Address]]:
    """Connect; one that listens is enough."""

    def connect(broker: Address) -> str:
        with opened(broker):
            return f"{broker} listens"

    return _of_each(
        Check.PORT,
        brokers,
        connect,
        "nobody can be reached there: see that Kafka runs, that the port is the one of"
        " its listener, and that no firewall stands between",
    )


def all_connected(brokers: Sequence[Address]) -> Step:
    """Connect to every one: each leads partitions that only it serves."""
    seen = []
    for broker in brokers:
        try:
            opened(broker).close()
        except OSError as error:
            return failed(
                Check.LISTENERS,
                f"the cluster sends us to {broker}: {error.strerror or error}",
                "the broker's advertised.listeners must name a host and port that this"
                " machine reaches",
            )
        seen.append(str(broker))
    return held(Check.LISTENERS, f"reached {', '.join(seen)}")


def encrypted(
    brokers: Sequence[Address], tls: TlsSettings
) -> tuple[Step, list[Address]]:
    """Shake hands; one that we trust and that trusts us is enough."""
    try:
        context = _context(tls)
    except OSError as error:  # ssl.SSLError is one
        seen = f"the certificate files of the settings cannot be used: {error}"
        return failed(Check.TLS, seen, "name PEM files that exist and can be read"), []

    def shake(broker: Address) -> str:
        with (
            opened(broker) as plain,
            context.wrap_socket(plain, server_hostname=broker.host) as secure,
        ):
            _await_refusal(secure)
            return f"{broker} speaks {secure.version()}"

    return _of_each(
        Check.TLS,
        brokers,
        shake,
        "if the port does not speak TLS, take the one that does, or take tls out of the"
        " settings; if the certificate is not trusted, name its authority (ca_file) and"
        " use the host name that it is made for; if the broker asks for ours, name"
        " certificate_file and key_file",
    )


def speaks_tls(broker: Address) -> bool:
    """Whether it answers a TLS handshake, trusted or not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with opened(broker) as plain, context.wrap_socket(plain):
            return True
    except OSError:
        return False


def opened(broker: Address) -> socket.socket:
    """Open a TCP connection."""
    return socket.create_connection((broker.host, broker.port), TIMEOUT_S)


def _context(tls: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file or None)
    # librdkafka does not ask for it, and private authorities seldom pass.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if tls.certificate_file:
        password = tls.key_password.read() if tls.key_password else None
        context.load_cert_chain(tls.certificate_file, tls.key_file or None, password)
    return context


def _await_refusal(secure: ssl.SSLSocket) -> None:
    secure.settimeout(REFUSAL_TIMEOUT_S)
    try:
        secure.recv(1)
    except TimeoutError:
        return


def _of_each(
    check: Check,
    brokers: Sequence[Address],
    attempt: Callable[[Address], str],
    remedy: str,
) -> tuple[Step, list[Address]]:
    """Try every broker; returns the step, and those with whom it went well."""
    seen: list[str] = []
    good: list[Address] = []
    for broker in brokers:
        try:
            seen.append(attempt(broker))
            good.append(broker)
        except OSError as error:
            seen.append(f"{broker}: {error.strerror or error}")
    text = "; ".join(seen)
    return (held(check, text) if good else failed(check, text, remedy)), good
