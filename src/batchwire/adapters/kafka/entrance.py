"""Coming in by Kafka's protocol: who we are, and what the cluster says of itself."""

import time
from dataclasses import dataclass

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata

from batchwire.adapters.kafka.connection import (
    Configuration,
    KafkaConnectionSettings,
    configuration,
)
from batchwire.adapters.kafka.logs import REFUSALS, BrokerWatch
from batchwire.adapters.kafka.translation import ours

_ATTEMPT_S = 0.5
_STATISTICS_INTERVAL_MS = 200


class _Broker(msgspec.Struct):
    nodename: str
    source: str


class _Statistics(msgspec.Struct):
    """The part of librdkafka's statistics that is read here (STATISTICS.md)."""

    brokers: dict[str, _Broker]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """
    How it went: ``cluster`` where we are in, else the ``problem``.

    ``is_refused``: the broker knows us and says no, which no patience changes.
    ``sent_to``: ``host:port`` of the brokers that it has told us to go to; the client
    leaves the first one for them at once, so that what they cannot answer stays open.
    """

    admin: AdminClient
    cluster: ClusterMetadata | None = None
    problem: str = ""
    is_refused: bool = False
    sent_to: tuple[str, ...] = ()


def admin_client(settings: KafkaConnectionSettings) -> AdminClient:
    """
    Make an administrator; librdkafka's lines go to the log, at debug.

    Raises:
        SettingsError: a secret is missing.
        BrokerError: librdkafka takes the settings for unusable.

    """
    return _client(settings, {})


def entered(settings: KafkaConnectionSettings, timeout_s: float) -> Entrance:
    """
    Knock until somebody lets us in or refuses us.

    Raises:
        SettingsError: a secret is missing.
        BrokerError: librdkafka takes the settings for unusable.

    """
    problems: list[KafkaError] = []
    sent_to: set[str] = set()

    def learn(statistics: str) -> None:
        found = msgspec.json.decode(statistics, type=_Statistics).brokers.values()
        sent_to.update(one.nodename for one in found if one.source == "learned")

    callbacks = {
        "error_cb": problems.append,
        "stats_cb": learn,
        "statistics.interval.ms": _STATISTICS_INTERVAL_MS,
    }
    admin = _client(settings, callbacks)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            return Entrance(admin=admin, cluster=admin.list_topics(timeout=_ATTEMPT_S))
        except KafkaException as error:
            admin.poll(0)  # brings the problems and the statistics
            problems.append(error.args[0])
        refusal = next((one for one in problems if one.name() in REFUSALS), None)
        if refusal:
            return Entrance(admin=admin, problem=refusal.str(), is_refused=True)
    return Entrance(
        admin=admin, problem=problems[0].str(), sent_to=tuple(sorted(sent_to))
    )


def _client(settings: KafkaConnectionSettings, callbacks: Configuration) -> AdminClient:
    logger = BrokerWatch("admin").logger
    wanted = configuration(settings) | callbacks
    try:
        return AdminClient(wanted, logger=logger)
    except KafkaException as error:
        raise ours(error.args[0], "reading the connection's settings") from error
