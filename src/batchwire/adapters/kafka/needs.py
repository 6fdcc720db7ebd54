"""What the service needs behind the connection: topics, permissions; and the lag."""

import shlex
from collections.abc import Mapping

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._topic import TopicDescription

from batchwire.adapters.kafka.diagnosis import (
    Check,
    Lag,
    Patient,
    Step,
    failed,
    held,
)
from batchwire.adapters.kafka.group import lag_of, operations_on_group
from batchwire.adapters.kafka.translation import ours
from batchwire.errors import BrokerError, BrokerRefused, TopicMissing

_AGAIN = "try again; if it stays so, see the broker's own log"

Topics = Mapping[str, TopicDescription]


def topics_exist(admin: AdminClient, patient: Patient) -> tuple[Step, Topics]:
    """Look at both topics."""
    found: dict[str, TopicDescription] = {}
    for name in (patient.topic, patient.dead_letters):
        try:
            found[name] = _described(admin, name, patient.timeout_s)
        except TopicMissing:
            remedy = "`batchwire topics create` makes it; or set batch_events.kafka.topic right"
            return failed(Check.TOPIC, f"there is no topic {name}", remedy), found
        except BrokerRefused as error:  # a topic that we may not see
            return _forbidden(patient, str(error), "topic", name), found
        except BrokerError as error:
            return failed(Check.TOPIC, str(error), _AGAIN), found
    seen = (
        f"{name} (partitions: {len(one.partitions)})" for name, one in found.items()
    )
    return held(Check.TOPIC, ", ".join(seen)), found


def use_is_allowed(admin: AdminClient, patient: Patient, topics: Topics) -> Step:
    """See whether we may read and write the topics, and read as the group."""
    for name, topic in topics.items():
        missing = {"READ", "WRITE"} - {one.name for one in topic.authorized_operations}
        if missing:
            seen = f"this user may not {' and '.join(sorted(missing)).lower()} {name}"
            return _forbidden(patient, seen, "topic", name)
    try:
        may = operations_on_group(admin, patient.group_id, patient.timeout_s)
    except BrokerRefused as error:
        return _forbidden(patient, str(error), "group", patient.group_id)
    except BrokerError as error:
        return failed(Check.AUTHORISATION, str(error), _AGAIN)
    if "READ" not in may:
        seen = f"this user may not read as the group {patient.group_id}"
        return _forbidden(patient, seen, "group", patient.group_id)
    return held(
        Check.AUTHORISATION, "this user may read and write, and be in the group"
    )


def lag_is_known(
    admin: AdminClient, patient: Patient, topics: Topics
) -> tuple[Step, Lag | None]:
    """Count what waits for the group; that something waits is no failure."""
    partitions = len(topics[patient.topic].partitions)
    try:
        lag = lag_of(
            admin, patient.group_id, patient.topic, partitions, patient.timeout_s
        )
    except BrokerError as error:
        return failed(Check.LAG, str(error), _AGAIN), None
    readers = "it has members" if lag.has_readers else "nobody reads as it now"
    seen = f"{lag.records} records wait for the group {lag.group_id}; {readers}"
    return held(Check.LAG, seen), lag


def _described(admin: AdminClient, name: str, timeout_s: float) -> TopicDescription:
    asked = admin.describe_topics(
        TopicCollection([name]),
        include_authorized_operations=True,
        request_timeout=timeout_s,
    )
    try:
        found: TopicDescription = asked[name].result()
    except KafkaException as error:
        raise ours(error.args[0], f"describing the topic {name}") from error
    return found


def _forbidden(patient: Patient, seen: str, kind: str, name: str) -> Step:
    sasl = patient.connection.sasl
    user = (sasl and sasl.username) or "NAME"
    operations = "Read" if kind == "group" else "Read --operation Write"
    return failed(
        Check.AUTHORISATION,
        seen,
        f"an administrator allows it: kafka-acls --add --allow-principal User:{user}"
        f" --operation {operations} --{kind} {shlex.quote(name)}",
    )
