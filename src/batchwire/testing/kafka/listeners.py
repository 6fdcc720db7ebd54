"""Listeners with TLS and SASL, and who may come in by them."""

from collections.abc import Mapping
from dataclasses import dataclass

from batchwire.testing.kafka.certificates import Certificates

SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_MODULES = {
    "PLAIN": "plain.PlainLoginModule",
    "SCRAM-SHA-256": "scram.ScramLoginModule",
    "SCRAM-SHA-512": "scram.ScramLoginModule",
    "OAUTHBEARER": "oauthbearer.OAuthBearerLoginModule",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """
    One door of a broker on 127.0.0.1.

    ``mechanism`` is SASL's, or empty. ``advertised`` is the ``host:port`` that clients
    are told to go to; its own where empty. OAUTHBEARER takes unsigned tokens (RFC 7515,
    alg none; ``tokens`` makes them): for tests alone.
    """

    name: str
    port: int
    has_tls: bool = False
    mechanism: str = ""
    asks_certificate: bool = False
    advertised: str = ""

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def protocol(self) -> str:
        """Kafka's name of what is spoken."""
        if self.mechanism:
            return "SASL_SSL" if self.has_tls else "SASL_PLAINTEXT"
        return "SSL" if self.has_tls else "PLAINTEXT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What listeners check against: passwords by user, and the server's certificate."""

    users: Mapping[str, str]
    certificates: Certificates


def security_properties(listener: Listener, security: Security) -> dict[str, str]:
    """Give the lines of ``server.properties`` for a listener that is not plain."""
    prefix = f"listener.name.{listener.name.lower()}."
    wanted: dict[str, str] = {}
    if listener.has_tls:
        wanted |= _tls(security.certificates, listener)
    if listener.mechanism:
        wanted |= _sasl(listener.mechanism, security.users)
    return {prefix + name: value for name, value in wanted.items()}


def format_arguments(users: Mapping[str, str]) -> list[str]:
    """Give StorageTool's arguments that make the users known to SCRAM."""
    return [
        argument
        for mechanism in SCRAM
        for name, password in users.items()
        for argument in (
            "--add-scram",
            f"{mechanism}=[name={name},password={password}]",
        )
    ]


def _tls(certificates: Certificates, listener: Listener) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.server),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
        "ssl.client.auth": "required" if listener.asks_certificate else "none",
    }


def _sasl(mechanism: str, users: Mapping[str, str]) -> dict[str, str]:
    module = f"org.apache.kafka.common.security.{_MODULES[mechanism]} required"
    if mechanism == "PLAIN":
        known = (f'user_{name}="{password}"' for name, password in users.items())
        module = " ".join([module, *known])
    if mechanism == "OAUTHBEARER":
        module += ' unsecuredLoginStringClaim_sub="broker"'
    return {
        "sasl.enabled.mechanisms": mechanism,
        f"{mechanism.lower()}.sasl.jaas.config": f"{module};",
    }
