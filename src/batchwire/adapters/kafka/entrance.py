"""Coming in by Kafka's protocol: who we are, and what the cluster says of itself."""

import time
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata

from batchwire.adapters.kafka.connection import (
    KafkaConnectionSettings,
    configuration,
)
from batchwire.adapters.kafka.logs import REFUSALS, BrokerWatch
from batchwire.adapters.kafka.translation import ours

_ATTEMPT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """
    How it went: ``cluster`` where we are in, else the ``problem``.

    ``is_refused``: the broker knows us and says no, which no patience changes.
    """

    admin: AdminClient
    cluster: ClusterMetadata | None = None
    problem: str = ""
    is_refused: bool = False


def admin_client(settings: KafkaConnectionSettings) -> AdminClient:
    """
    Make an administrator; librdkafka's lines go to the log, at debug.

    Raises:
        SettingsError: a secret is missing.
        BrokerError: librdkafka takes the settings for unusable.

    """
    return _client(settings, [])


def entered(settings: KafkaConnectionSettings, timeout_s: float) -> Entrance:
    """
    Knock until somebody lets us in or refuses us.

    Raises:
        SettingsError: a secret is missing.
        BrokerError: librdkafka takes the settings for unusable.

    """
    problems: list[KafkaError] = []
    admin = _client(settings, problems)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            return Entrance(admin=admin, cluster=admin.list_topics(timeout=_ATTEMPT_S))
        except KafkaException as error:
            admin.poll(0)  # brings the problems
            problems.append(error.args[0])
        refusal = next((one for one in problems if one.name() in REFUSALS), None)
        if refusal:
            return Entrance(admin=admin, problem=refusal.str(), is_refused=True)
    return Entrance(admin=admin, problem=problems[0].str() if problems else "silence")


def _client(
    settings: KafkaConnectionSettings, problems: list[KafkaError]
) -> AdminClient:
    logger = BrokerWatch("admin").logger
    wanted = configuration(settings) | {"error_cb": problems.append}
    try:
        return AdminClient(wanted, logger=logger)
    except KafkaException as error:
        raise ours(error.args[0], "reading the connection's settings") from error
