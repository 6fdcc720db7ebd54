"""From our settings to a connection, by every door; and no secret is ever shown."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from batchwire.adapters.kafka.connection import (
    KafkaConnectionSettings,
    Mechanism,
    SaslSettings,
    TlsSettings,
    configuration,
)
from batchwire.adapters.kafka.secrets import Secret
from batchwire.adapters.kafka.tokens import OPAQUE_LIFETIME_S, ending_at
from batchwire.errors import SettingsError
from batchwire.testing.kafka import SecureBroker
from batchwire.testing.kafka.tokens import unsigned_token

pytestmark = pytest.mark.timeout(120)

PASSWORD = Secret(env="KAFKA_PASSWORD")


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the guest's into the environment."""
    monkeypatch.setenv("KAFKA_PASSWORD", "guest-secret")


def opens(settings: KafkaConnectionSettings) -> bool:
    """Whether the door opens within seconds."""
    admin = AdminClient({**configuration(settings), "log_level": 0})
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        admin.poll(0)  # a token is asked for here
        try:
            return bool(admin.list_topics(timeout=2.0).brokers)
        except KafkaException:
            continue
    return False


def sasl(mechanism: Mechanism) -> SaslSettings:
    return SaslSettings(mechanism=mechanism, username="guest", password=PASSWORD)


def test_every_door_opens_to_our_settings(
    secure_kafka: SecureBroker, tmp_path: Path
) -> None:
    certificates = secure_kafka.certificates
    tls = TlsSettings(ca_file=str(certificates.ca))
    ours = TlsSettings(
        ca_file=str(certificates.ca),
        certificate_file=str(certificates.client_certificate),
        key_file=str(certificates.client_key),
    )
    (tmp_path / "token").write_text(unsigned_token("guest") + "\n")
    token = SaslSettings(
        mechanism="OAUTHBEARER", token=Secret(file=str(tmp_path / "token"))
    )
    keys: dict[str, tuple[TlsSettings | None, SaslSettings | None]] = {
        "TLS": (tls, None),
        "MUTUAL_TLS": (ours, None),
        "PLAIN": (None, sasl("PLAIN")),
        "SCRAM_256": (None, sasl("SCRAM-SHA-256")),
        "SCRAM_512": (None, sasl("SCRAM-SHA-512")),
        "TLS_PLAIN": (tls, sasl("PLAIN")),
        "OAUTH": (None, token),
    }
    closed = [
        door
        for door, (with_tls, with_sasl) in keys.items()
        if not opens(
            KafkaConnectionSettings(
                brokers=(secure_kafka.doors[door],), tls=with_tls, sasl=with_sasl
            )
        )
    ]
    assert closed == []


class Issuer(BaseHTTPRequestHandler):
    """Gives a token to the client whose secret is right (RFC 6749, section 4.4)."""

    def do_POST(self) -> None:
        """Answer."""
        right = base64.b64encode(b"guest:guest-secret").decode()
        is_right = self.headers["Authorization"] == f"Basic {right}"
        answer = {"access_token": unsigned_token("guest"), "expires_in": 300}
        body = json.dumps({**answer, "token_type": "bearer"}).encode()
        self.send_response(200 if is_right else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def token_url() -> Iterator[str]:
    """Give the address of an issuer of tokens."""
    with HTTPServer(("127.0.0.1", 0), Issuer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join()


def test_a_token_is_fetched_where_a_url_is_given(
    secure_kafka: SecureBroker, token_url: str
) -> None:
    fetched = SaslSettings(
        mechanism="OAUTHBEARER",
        username="guest",
        password=PASSWORD,
        token_url=token_url,
        scope="kafka",
    )
    door = secure_kafka.doors["OAUTH"]
    assert opens(KafkaConnectionSettings(brokers=(door,), sasl=fetched))


def test_no_secret_is_shown_by_the_settings() -> None:
    settings = KafkaConnectionSettings(brokers=("kafka:9092",), sasl=sasl("PLAIN"))
    assert configuration(settings)["sasl.password"] == "guest-secret"
    assert "guest-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("secret", "named"),
    [
        (Secret(env="NOT_SET"), "the variable NOT_SET has no secret"),
        (Secret(file="/no/such"), "/no/such cannot be read: No such file"),
        (Secret(file="/dev/null"), "/dev/null has no secret"),
    ],
)
def test_a_missing_secret_is_named(secret: Secret, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        secret.read()


@pytest.mark.parametrize(
    "incomplete",
    [
        SaslSettings(mechanism="PLAIN", username="guest"),
        SaslSettings(mechanism="SCRAM-SHA-256", password=PASSWORD),
        SaslSettings(mechanism="OAUTHBEARER"),
        SaslSettings(mechanism="OAUTHBEARER", token_url="http://issuer"),  # noqa: S106 - an address
    ],
)
def test_a_mechanism_without_what_it_needs_is_refused(incomplete: SaslSettings) -> None:
    settings = KafkaConnectionSettings(brokers=("kafka:9092",), sasl=incomplete)
    with pytest.raises(SettingsError, match=incomplete.mechanism):
        configuration(settings)


def test_a_token_says_when_it_ends_or_is_asked_for_again_soon() -> None:
    assert ending_at(unsigned_token("guest", 100.0)) == pytest.approx(
        time.time() + 100, abs=10
    )
    for opaque in ("opaque", "a.b.c", "a.bm8.c"):
        assert ending_at(opaque) == pytest.approx(
            time.time() + OPAQUE_LIFETIME_S, abs=10
        )
