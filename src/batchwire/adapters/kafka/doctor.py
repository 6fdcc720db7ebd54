"""
The doctor: takes the way that a client takes, and stops where it cannot go on.

Everything here blocks, each step for seconds at most; the CLI calls it.
"""

from collections.abc import Iterator

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata

from batchwire.adapters.kafka import needs, reach
from batchwire.adapters.kafka.diagnosis import (
    Check,
    Examination,
    Lag,
    Patient,
    Step,
    failed,
    held,
)
from batchwire.adapters.kafka.entrance import Entrance, entered
from batchwire.errors import BrokerError, SettingsError


def examine(patient: Patient) -> Examination:
    """Take the steps up to the first that fails."""
    doctor = _Doctor(patient)
    return Examination(steps=tuple(doctor.steps()), lag=doctor.lag)


class _Doctor:
    """Takes the steps, and keeps what one finds for the next."""

    _admin: AdminClient
    _cluster: ClusterMetadata
    _topics: needs.Topics

    def __init__(self, patient: Patient) -> None:
        self.lag: Lag | None = None
        self._patient = patient
        self._connection = patient.connection
        self._brokers = [reach.address(one) for one in patient.connection.brokers]

    def steps(self) -> Iterator[Step]:
        """Take one after the other; one that fails is the last."""
        for take in (
            self._name,
            self._port,
            self._tls,
            self._sasl,
            self._metadata,
            self._listeners,
            self._topic,
            self._authorisation,
            self._lag,
        ):
            step = take()
            yield step
            if not step.is_ok:
                return

    def _name(self) -> Step:
        step, self._brokers = reach.resolved(self._brokers)
        return step

    def _port(self) -> Step:
        step, self._brokers = reach.connected(self._brokers)
        return step

    def _tls(self) -> Step:
        if self._connection.tls:
            step, self._brokers = reach.encrypted(self._brokers, self._connection.tls)
            return step
        if reach.speaks_tls(self._brokers[0]):
            seen = f"{self._brokers[0]} speaks TLS, and the settings have none"
            return failed(
                Check.TLS, seen, "set batch_events.kafka.tls, or take the plain port"
            )
        return held(Check.TLS, "not in the settings")

    def _sasl(self) -> Step:
        try:
            entrance = entered(self._connection, self._patient.timeout_s)
        except (SettingsError, BrokerError) as error:
            return failed(Check.SASL, str(error), "set it right in the settings")
        if entrance.cluster is None:
            return _not_let_in(entrance)
        self._admin, self._cluster = entrance.admin, entrance.cluster
        sasl = self._connection.sasl
        user = (sasl and sasl.username) or "the bearer of the token"
        return held(Check.SASL, f"as {user}" if sasl else "not in the settings")

    def _metadata(self) -> Step:
        count = len(self._cluster.brokers)
        seen = f"cluster {self._cluster.cluster_id} (brokers: {count})"
        return held(Check.METADATA, seen)

    def _listeners(self) -> Step:
        brokers = [f"{one.host}:{one.port}" for one in self._cluster.brokers.values()]
        return reach.all_connected([reach.address(one) for one in brokers])

    def _topic(self) -> Step:
        step, self._topics = needs.topics_exist(self._admin, self._patient)
        return step

    def _authorisation(self) -> Step:
        return needs.use_is_allowed(self._admin, self._patient, self._topics)

    def _lag(self) -> Step:
        step, self.lag = needs.lag_is_known(self._admin, self._patient, self._topics)
        return step


def _not_let_in(entrance: Entrance) -> Step:
    if entrance.is_refused:
        return failed(
            Check.SASL,
            entrance.problem,
            "see that the user, the password or token, and the mechanism are those that"
            " the broker knows",
        )
    elsewhere = reach.all_connected([reach.address(one) for one in entrance.sent_to])
    if not elsewhere.is_ok:
        return elsewhere
    return failed(
        Check.METADATA,
        f"the broker takes the connection and does not answer: {entrance.problem}",
        "if this listener wants SASL, set it in the settings; if the broker has just"
        " started, try again; else see its own log",
    )
