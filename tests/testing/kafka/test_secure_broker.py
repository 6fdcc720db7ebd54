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
    "PLAIN": ("PLAIN", "Invalid username or password"),
    "SCRAM_256": ("SCRAM-SHA-256", "invalid credentials"),
    "SCRAM_512": ("SCRAM-SHA-512", "invalid credentials"),
}


def opens(address: str, settings: dict[str, Any]) -> bool:
    """Knock until it opens."""
    return knock(address, settings, "never said")


def refuses(address: str, settings: dict[str, Any], because: str) -> bool:
    """Knock until it refuses for that reason; a door that opens does not."""
    return not knock(address, settings, because)


def knock(address: str, settings: dict[str, Any], refusal: str) -> bool:
    said: list[str] = []

    def heard(error: KafkaError) -> None:
        said.append(error.str())

    own: dict[str, Any] = {"bootstrap.servers": address, "log_level": 0}
    admin = AdminClient(own | {"error_cb": heard} | settings)
    while not any(refusal in one for one in said):
        admin.poll(0.1)
        try:
            admin.list_topics(timeout=0.5)
        except KafkaException:
            continue
        return True
    return False


@pytest.mark.parametrize("door", MECHANISMS)
def test_a_password_opens_and_another_does_not(
    secure_kafka: SecureBroker, door: str
) -> None:
    mechanism, because = MECHANISMS[door]
    known = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": "guest",
    }
    right = known | {"sasl.password": secure_kafka.users["guest"]}
    wrong = known | {"sasl.password": "wrong"}
    assert opens(secure_kafka.doors[door], right)
    assert refuses(secure_kafka.doors[door], wrong, because)


def test_a_token_opens_and_an_expired_one_does_not(secure_kafka: SecureBroker) -> None:
    def bearing(token: str) -> dict[str, Any]:
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER",
            "oauth_cb": lambda _: (token, time.time() + 300),
        }

    door = secure_kafka.doors["OAUTH"]
    assert opens(door, bearing(unsigned_token("guest")))
    assert refuses(door, bearing(unsigned_token("guest", -5)), "invalid_token")


def test_tls_opens_to_those_who_know_its_ca(secure_kafka: SecureBroker) -> None:
    known = {
        "security.protocol": "SSL",
        "ssl.ca.location": str(secure_kafka.certificates.ca),
    }
    door = secure_kafka.doors["TLS"]
    assert opens(door, known)
    assert refuses(door, {"security.protocol": "SSL"}, "certificate verify failed")


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
    assert opens(door, client)
    assert refuses(door, nobody, "alert")


def test_tls_and_a_password_go_together(secure_kafka: SecureBroker) -> None:
    settings = {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(secure_kafka.certificates.ca),
        "sasl.mechanism": "PLAIN",
        "sasl.username": "guest",
        "sasl.password": secure_kafka.users["guest"],
    }
    assert opens(secure_kafka.doors["TLS_PLAIN"], settings)
