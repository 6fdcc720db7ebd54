"""Every door of the secure broker opens to the right key only."""

import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from batchwire.testing.kafka import SecureBroker
from batchwire.testing.kafka.tokens import unsigned_token

pytestmark = pytest.mark.timeout(120)

MECHANISMS = {
    "PLAIN": "PLAIN",
    "SCRAM_256": "SCRAM-SHA-256",
    "SCRAM_512": "SCRAM-SHA-512",
}


def knocked(address: str, settings: dict[str, Any]) -> list[str]:
    """Knock until it opens or refuses; returns the names of the refusals, empty where open."""
    refused: list[str] = []

    def heard(error: KafkaError) -> None:
        refused.append(error.name())

    own: dict[str, Any] = {
        "bootstrap.servers": address,
        "log_level": 0,
        "error_cb": heard,
    }
    admin = AdminClient(own | settings)
    while not refused:
        admin.poll(0.1)  # a token is asked for here
        try:
            admin.list_topics(timeout=0.5)
        except KafkaException:
            continue
        break
    return refused


@pytest.mark.parametrize("door", MECHANISMS)
def test_a_password_opens_and_another_does_not(
    secure_kafka: SecureBroker, door: str
) -> None:
    known = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": MECHANISMS[door],
        "sasl.username": "guest",
    }
    right = known | {"sasl.password": secure_kafka.users["guest"]}
    wrong = known | {"sasl.password": "wrong"}
    assert knocked(secure_kafka.doors[door], right) == []
    assert "_AUTHENTICATION" in knocked(secure_kafka.doors[door], wrong)


def test_a_token_opens_and_an_expired_one_does_not(secure_kafka: SecureBroker) -> None:
    def bearing(token: str) -> dict[str, Any]:
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER",
            "oauth_cb": lambda _: (token, time.time() + 300),
        }

    door = secure_kafka.doors["OAUTH"]
    assert knocked(door, bearing(unsigned_token("guest"))) == []
    expired = knocked(door, bearing(unsigned_token("guest", -5)))
    assert "_AUTHENTICATION" in expired


def test_tls_opens_to_those_who_know_its_ca(secure_kafka: SecureBroker) -> None:
    known = {
        "security.protocol": "SSL",
        "ssl.ca.location": str(secure_kafka.certificates.ca),
    }
    door = secure_kafka.doors["TLS"]
    assert knocked(door, known) == []
    assert "_SSL" in knocked(door, {"security.protocol": "SSL"})


def test_mutual_tls_opens_to_those_with_a_certificate(
    secure_kafka: SecureBroker,
) -> None:
    certificates = secure_kafka.certificates
    nobody = {"security.protocol": "SSL", "ssl.ca.location": str(certificates.ca)}
    client = nobody | {
        "ssl.certificate.location": str(certificates.client_certificate),
        "ssl.key.location": str(certificates.client_key),
    }
    door = secure_kafka.doors["MUTUAL_TLS"]
    assert knocked(door, client) == []
    assert knocked(door, nobody) != []


def test_tls_and_a_password_go_together(secure_kafka: SecureBroker) -> None:
    settings = {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(secure_kafka.certificates.ca),
        "sasl.mechanism": "PLAIN",
        "sasl.username": "guest",
        "sasl.password": secure_kafka.users["guest"],
    }
    assert knocked(secure_kafka.doors["TLS_PLAIN"], settings) == []
