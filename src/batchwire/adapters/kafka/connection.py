"""How to reach the brokers, and what librdkafka must be told for it."""

from dataclasses import dataclass
from typing import Any, Literal

from batchwire.adapters.kafka.secrets import Secret
from batchwire.adapters.kafka.tokens import token_callback
from batchwire.errors import SettingsError

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
Configuration = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """
    TLS; files are PEM.

    - ``ca_file``: authorities to trust instead of the system's.
    - ``certificate_file``, ``key_file``: ours, where the broker asks for one.
    - ``key_password``: where the key is encrypted.
    """

    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    key_password: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaslSettings:
    """
    Who we are.

    - ``username``, ``password``: for PLAIN and SCRAM.
    - ``token``: for OAUTHBEARER, where somebody else renews a token in a file.
    - ``token_url``, ``scope``: for OAUTHBEARER, where the token is fetched with
      ``username`` and ``password`` as client id and secret (OpenID Connect, RFC 6749
      section 4.4).
    """

    mechanism: Mechanism
    username: str = ""
    password: Secret | None = None
    token: Secret | None = None
    token_url: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnectionSettings:
    """
    Where the brokers are and how they are spoken to.

    ``brokers`` are ``host:port`` each; one that answers is enough to find the others.
    """

    brokers: tuple[str, ...]
    client_id: str = "batchwire"
    tls: TlsSettings | None = None
    sasl: SaslSettings | None = None

    @property
    def protocol(self) -> str:
        """Kafka's name of what is spoken."""
        if self.sasl:
            return "SASL_SSL" if self.tls else "SASL_PLAINTEXT"
        return "SSL" if self.tls else "PLAINTEXT"


def configuration(settings: KafkaConnectionSettings) -> Configuration:
    """
    Give librdkafka's settings; the secrets are in it, so it is never shown or logged.

    Raises:
        SettingsError: a secret is missing, or what the mechanism needs is not set.

    """
    wanted: Configuration = {
        "bootstrap.servers": ",".join(settings.brokers),
        "client.id": settings.client_id,
        "security.protocol": settings.protocol,
    }
    if settings.tls:
        wanted |= _tls(settings.tls)
    if settings.sasl:
        wanted |= _sasl(settings.sasl)
    return wanted


def _tls(tls: TlsSettings) -> Configuration:
    named = {
        "ssl.ca.location": tls.ca_file,
        "ssl.certificate.location": tls.certificate_file,
        "ssl.key.location": tls.key_file,
    }
    wanted: Configuration = {name: value for name, value in named.items() if value}
    if tls.key_password:
        wanted["ssl.key.password"] = tls.key_password.read()
    return wanted


def _sasl(sasl: SaslSettings) -> Configuration:
    wanted: Configuration = {"sasl.mechanism": sasl.mechanism}
    if sasl.mechanism != "OAUTHBEARER":
        username, password = _password(sasl)
        return wanted | {"sasl.username": username, "sasl.password": password}
    if sasl.token:
        # A missing one is told here; librdkafka would only say that there was none.
        sasl.token.read()
        return wanted | {"oauth_cb": token_callback(sasl.token)}
    if not sasl.token_url:
        raise SettingsError("kafka: OAUTHBEARER needs a token, or a token_url")
    return wanted | _oidc(sasl)


def _oidc(sasl: SaslSettings) -> Configuration:
    client, secret = _password(sasl)
    wanted: Configuration = {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": client,
        "sasl.oauthbearer.client.secret": secret,
        "sasl.oauthbearer.token.endpoint.url": sasl.token_url,
    }
    return wanted | ({"sasl.oauthbearer.scope": sasl.scope} if sasl.scope else {})


def _password(sasl: SaslSettings) -> tuple[str, str]:
    if not sasl.username or sasl.password is None:
        message = f"kafka: {sasl.mechanism} needs a username and a password"
        raise SettingsError(message)
    return sasl.username, sasl.password.read()
