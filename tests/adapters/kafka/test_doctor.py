"""Each step fails in reality, and the doctor names it and stops there."""

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from batchwire.adapters.kafka import needs
from batchwire.adapters.kafka.connection import (
    KafkaConnectionSettings,
    Mechanism,
    SaslSettings,
    TlsSettings,
)
from batchwire.adapters.kafka.diagnosis import Check, Patient
from batchwire.adapters.kafka.doctor import examine
from batchwire.adapters.kafka.secrets import Secret
from batchwire.adapters.kafka.topic_settings import TopicSettings
from batchwire.adapters.kafka.topics import create
from batchwire.testing.kafka import SecureBroker
from batchwire.testing.kafka.fixtures import NewTopicFor
from batchwire.testing.kafka.plain import read, send
from batchwire.testing.kafka.ports import free_ports

pytestmark = pytest.mark.timeout(120)

Allow = Callable[[ResourceType, str, AclOperation], None]


@pytest.fixture
def patient(secure_kafka: SecureBroker, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """Give one who is well: two topics, and everything allowed."""
    monkeypatch.setenv("PASSWORD", secure_kafka.users["guest"])
    name = f"events-{uuid4().hex}"
    topics = [TopicSettings(name=name, partitions=2), TopicSettings(name=f"{name}.dlq")]
    create(AdminClient({"bootstrap.servers": secure_kafka.broker.address}), topics)
    return Patient(
        connection=KafkaConnectionSettings(brokers=(secure_kafka.broker.address,)),
        topic=name,
        dead_letters=f"{name}.dlq",
        group_id=f"readers-{uuid4().hex}",
        timeout_s=30.0,
    )


@pytest.fixture
def allow(secure_kafka: SecureBroker) -> Allow:
    """Give what allows the guest something."""
    admin = AdminClient({"bootstrap.servers": secure_kafka.broker.address})

    def one(kind: ResourceType, name: str, operation: AclOperation) -> None:
        rule = AclBinding(
            kind,
            name,
            ResourcePatternType.LITERAL,
            "User:guest",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for future in admin.create_acls([rule]).values():
            future.result(10)

    return one


def at(patient: Patient, *brokers: str) -> Patient:
    return replace(patient, connection=replace(patient.connection, brokers=brokers))


def guest(patient: Patient, door: str, mechanism: Mechanism = "PLAIN") -> Patient:
    sasl = SaslSettings(
        mechanism=mechanism, username="guest", password=Secret(env="PASSWORD")
    )
    connection = KafkaConnectionSettings(brokers=(door,), sasl=sasl)
    return replace(patient, connection=connection)


def ends_at(patient: Patient, check: Check, seen: str, remedy: str = "") -> None:
    found = examine(patient)
    last = found.steps[-1]
    assert (last.check, last.is_ok) == (check, False), found.steps
    assert all(step.is_ok for step in found.steps[:-1])
    assert seen in last.seen
    assert remedy in last.remedy
    assert last.remedy


def test_one_who_is_well_passes_every_step(patient: Patient) -> None:
    found = examine(patient)
    assert found.failed is None
    assert [step.check for step in found.steps] == list(Check)


def test_a_wrong_name(patient: Patient) -> None:
    ends_at(at(patient, "no-such-host.invalid:9092"), Check.NAME, "no-such-host")


def test_a_closed_port(patient: Patient) -> None:
    (port,) = free_ports(1)
    ends_at(at(patient, f"127.0.0.1:{port}"), Check.PORT, "Connection refused")


def test_one_broker_that_answers_is_enough(patient: Patient) -> None:
    (port,) = free_ports(1)
    brokers = ("no-such-host.invalid:1", f"127.0.0.1:{port}")
    found = examine(at(patient, *brokers, *patient.connection.brokers))
    assert found.failed is None
    assert "no-such-host" in found.steps[0].seen
    assert "Connection refused" in found.steps[1].seen


def test_tls_to_a_plain_port(patient: Patient) -> None:
    connection = replace(patient.connection, tls=TlsSettings())
    ends_at(replace(patient, connection=connection), Check.TLS, "127.0.0.1")


def test_a_plain_client_at_a_tls_port(
    patient: Patient, secure_kafka: SecureBroker
) -> None:
    ends_at(at(patient, secure_kafka.doors["TLS"]), Check.TLS, "speaks TLS")


def test_a_certificate_that_is_not_trusted(
    patient: Patient, secure_kafka: SecureBroker
) -> None:
    connection = KafkaConnectionSettings(
        brokers=(secure_kafka.doors["TLS"],), tls=TlsSettings()
    )
    ends_at(
        replace(patient, connection=connection),
        Check.TLS,
        "certificate verify failed",
        "ca_file",
    )


def test_no_certificate_where_one_is_asked_for(
    patient: Patient, secure_kafka: SecureBroker
) -> None:
    tls = TlsSettings(ca_file=str(secure_kafka.certificates.ca))
    door = secure_kafka.doors["MUTUAL_TLS"]
    nobody = KafkaConnectionSettings(brokers=(door,), tls=tls)
    ends_at(replace(patient, connection=nobody), Check.TLS, "", "certificate_file")
    ours = replace(
        tls,
        certificate_file=str(secure_kafka.certificates.client_certificate),
        key_file=str(secure_kafka.certificates.client_key),
    )
    client = replace(patient, connection=replace(nobody, tls=ours))
    assert examine(client).failed is None


def test_a_certificate_file_that_is_not_there(
    patient: Patient, secure_kafka: SecureBroker
) -> None:
    connection = KafkaConnectionSettings(
        brokers=(secure_kafka.doors["TLS"],), tls=TlsSettings(ca_file="/no/such.pem")
    )
    ends_at(replace(patient, connection=connection), Check.TLS, "No such file")


@pytest.mark.parametrize(
    ("door", "mechanism"),
    [
        ("PLAIN", "PLAIN"),
        ("SCRAM_256", "SCRAM-SHA-256"),
        ("SCRAM_512", "SCRAM-SHA-512"),
    ],
)
def test_a_bad_password(
    patient: Patient,
    secure_kafka: SecureBroker,
    monkeypatch: pytest.MonkeyPatch,
    door: str,
    mechanism: Mechanism,
) -> None:
    monkeypatch.setenv("PASSWORD", "never-shown")
    sick = guest(patient, secure_kafka.doors[door], mechanism)
    ends_at(sick, Check.SASL, "uthentication failed")
    assert "never-shown" not in repr(examine(sick))


def test_a_mechanism_that_the_broker_does_not_know(
    patient: Patient, secure_kafka: SecureBroker
) -> None:
    sick = guest(patient, secure_kafka.doors["PLAIN"], "SCRAM-SHA-256")
    ends_at(sick, Check.SASL, "supported mechanisms: PLAIN")


def test_a_password_that_is_not_set(
    patient: Patient, secure_kafka: SecureBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PASSWORD")
    ends_at(guest(patient, secure_kafka.doors["PLAIN"]), Check.SASL, "PASSWORD")


def test_no_password_where_one_is_asked_for(
    patient: Patient, secure_kafka: SecureBroker
) -> None:
    sick = at(replace(patient, timeout_s=2.0), secure_kafka.doors["PLAIN"])
    ends_at(sick, Check.METADATA, "does not answer", "SASL")


def test_an_advertised_listener_that_cannot_be_reached(
    patient: Patient, secure_kafka: SecureBroker
) -> None:
    lost = at(patient, secure_kafka.doors["LOST"])
    ends_at(lost, Check.LISTENERS, secure_kafka.nowhere, "advertised.listeners")


def test_the_client_may_have_left_for_it_before_it_asks(
    patient: Patient, secure_kafka: SecureBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchwire.adapters.kafka.entrance._ATTEMPT_S", 0.001)
    lost = at(replace(patient, timeout_s=20.0), secure_kafka.doors["LOST"])
    ends_at(lost, Check.LISTENERS, secure_kafka.nowhere, "advertised.listeners")


def test_a_missing_topic(patient: Patient) -> None:
    sick = replace(patient, dead_letters="no-such")
    ends_at(sick, Check.TOPIC, "no-such", "batchwire topics create")


def test_every_permission_is_asked_for_by_name(
    patient: Patient, secure_kafka: SecureBroker, allow: Allow
) -> None:
    topic, dead, group = patient.topic, patient.dead_letters, patient.group_id
    sick = guest(patient, secure_kafka.doors["PLAIN"])
    on_topic, on_group = ResourceType.TOPIC, ResourceType.GROUP
    ends_at(sick, Check.AUTHORISATION, topic, "User:guest --operation Read")
    allow(on_topic, topic, AclOperation.READ)
    allow(on_topic, dead, AclOperation.ALL)
    ends_at(sick, Check.AUTHORISATION, f"may not write {topic}", f"--topic {topic}")
    allow(on_topic, topic, AclOperation.WRITE)
    ends_at(sick, Check.AUTHORISATION, group, f"--group {group}")
    allow(on_group, group, AclOperation.DESCRIBE)
    ends_at(sick, Check.AUTHORISATION, f"may not read as the group {group}")
    allow(on_group, group, AclOperation.READ)
    assert examine(sick).failed is None


def test_a_group_of_two_words_is_named_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "operations_on_group", lambda *_: set())
    nowhere = KafkaConnectionSettings(brokers=("localhost:1",))
    sick = Patient(
        connection=nowhere, topic="t", dead_letters="d", group_id="two words"
    )
    step = needs.use_is_allowed(AdminClient({}), sick, {})
    assert step.remedy.endswith("--group 'two words'")


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_lag_is_what_the_group_has_not_committed(
    kafka: str, new_topic: NewTopicFor, protocol: str
) -> None:
    topic = new_topic(2)
    patient = Patient(
        connection=KafkaConnectionSettings(brokers=(kafka,)),
        topic=topic,
        dead_letters=new_topic(),
        group_id=topic,
        timeout_s=30.0,
    )
    send(kafka, topic, [b"%d" % n for n in range(100)])
    before = examine(patient).lag
    assert before is not None
    assert (before.records, before.uncommitted, before.has_readers) == (100, 2, False)
    read(kafka, topic, 100, group_protocol=protocol)
    send(kafka, topic, [b"7"] * 7)
    after = examine(patient).lag
    assert after is not None
    assert (after.records, after.uncommitted) == (7, 0)
