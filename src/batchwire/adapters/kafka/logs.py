"""
What librdkafka says, in our log: its own lines at debug, a change of state for a person.

While a broker is away librdkafka writes twenty lines a second. A person needs three:
``broker_away``, ``broker_refused`` (credentials, certificate) and ``broker_back``.
"""

import logging
from collections.abc import Mapping
from enum import StrEnum

import msgspec
import structlog
from confluent_kafka import KafkaError

# How soon it is seen that a broker is back: librdkafka calls nobody for that.
STATISTICS_INTERVAL_MS = 1000

REFUSALS = {"_AUTHENTICATION", "_SSL", "SASL_AUTHENTICATION_FAILED"}
_AWAY = "_ALL_BROKERS_DOWN"


class BrokerState(StrEnum):
    """What we know of the brokers; nothing is known before the first sign."""

    UNKNOWN = "unknown"
    UP = "up"
    AWAY = "away"
    REFUSED = "refused"


class _Broker(msgspec.Struct):
    state: str


class _Statistics(msgspec.Struct):
    """The part of librdkafka's statistics that is read here (STATISTICS.md)."""

    brokers: dict[str, _Broker]


class BrokerWatch:
    """
    Follows one client, and logs a line at each change of its brokers' state.

    ``callbacks`` goes into the client's configuration, ``logger`` beside it. All of it
    is called in the thread that polls the client. One that is not heard follows
    too, but another client of the same brokers does the telling.
    """

    def __init__(self, client: str, *, is_heard: bool = True) -> None:
        self.state = BrokerState.UNKNOWN
        self._is_heard = is_heard
        self._log = structlog.get_logger().bind(client=client)
        self._last_problem = ""
        # This client's own: those of the registry are shared and never end.
        self.logger = logging.Logger("batchwire.kafka", logging.DEBUG)  # noqa: LOG001
        self.logger.addHandler(_ToStructlog(client))

    @property
    def callbacks(self) -> Mapping[str, object]:
        """Librdkafka's settings that call this watch."""
        return {
            "error_cb": self.on_error,
            "stats_cb": self.on_statistics,
            "statistics.interval.ms": STATISTICS_INTERVAL_MS,
        }

    def on_error(self, error: KafkaError) -> None:
        """Take an error of the whole client; those of one record do not come here."""
        if error.name() in REFUSALS:
            self._enter(BrokerState.REFUSED, error.str())
        elif error.name() == _AWAY:
            # It says so after each refusal too, which is the better word.
            if self.state is not BrokerState.REFUSED:
                self._enter(BrokerState.AWAY, self._last_problem or error.str())
        else:
            self._last_problem = error.str()

    def on_statistics(self, statistics: str) -> None:
        """Take librdkafka's statistics, JSON."""
        brokers = msgspec.json.decode(statistics, type=_Statistics).brokers
        if any(broker.state == "UP" for broker in brokers.values()):
            self._enter(BrokerState.UP)

    def _enter(self, state: BrokerState, problem: str = "") -> None:
        before, self.state = self.state, state
        if before is state:
            return
        self._last_problem = ""
        if self._is_heard:
            self._tell(before, state, problem)

    def _tell(self, before: BrokerState, state: BrokerState, problem: str) -> None:
        match state:
            case BrokerState.AWAY:
                self._log.warning("broker_away", error=problem)
            case BrokerState.REFUSED:
                self._log.error("broker_refused", error=problem)
            case BrokerState.UP if before is not BrokerState.UNKNOWN:
                self._log.info("broker_back")
            case _:
                pass


class _ToStructlog(logging.Handler):
    """Hands librdkafka's lines on at debug, whatever level it thinks they have."""

    def __init__(self, client: str) -> None:
        super().__init__()
        self._log = structlog.get_logger().bind(client=client)

    def emit(self, record: logging.LogRecord) -> None:
        self._log.debug("librdkafka", said=record.getMessage())
