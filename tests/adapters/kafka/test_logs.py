"""One line at each change of state, however much librdkafka writes."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from confluent_kafka import KafkaError, Producer

from batchwire.adapters.kafka.logs import BrokerState, BrokerWatch
from batchwire.testing.kafka import SecureBroker
from batchwire.testing.kafka.broker import new_broker
from batchwire.testing.kafka.fixtures import or_skip

pytestmark = pytest.mark.timeout(120)


def watched(settings: dict[str, object]) -> tuple[BrokerWatch, Producer]:
    watch = BrokerWatch("producer")
    wanted = {**settings, **watch.callbacks, "reconnect.backoff.max.ms": 200}
    return watch, Producer(wanted, logger=watch.logger)


def poll(producer: Producer, until: Callable[[], bool]) -> None:
    while not until():
        producer.poll(0.05)


def lines(logs: list[structlog.typing.EventDict]) -> list[str]:
    return [line["event"] for line in logs if line["log_level"] != "debug"]


def test_a_broker_that_goes_and_comes_is_two_lines(tmp_path: Path) -> None:
    with or_skip(), structlog.testing.capture_logs() as logs:
        broker = new_broker(tmp_path / "kafka")
        watch, producer = watched({"bootstrap.servers": broker.address})
        patience = time.monotonic() + 1.5  # of a person: librdkafka says much meanwhile
        poll(producer, lambda: time.monotonic() > patience)
        assert watch.state is BrokerState.AWAY
        try:
            broker.start()
            poll(producer, lambda: watch.state is BrokerState.UP)
        finally:
            broker.kill()
    assert lines(logs) == ["broker_away", "broker_back"]
    said = [line for line in logs if line["event"] == "librdkafka"]
    assert len(said) > 1
    assert "Connection refused" in said[0]["said"]


def test_one_of_many_clients_tells_and_all_know() -> None:
    away = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")  # noqa: SLF001 - as librdkafka gives it
    with structlog.testing.capture_logs() as logs:
        watches = [BrokerWatch("consumer", is_heard=n == 0) for n in range(4)]
        for watch in watches:
            watch.on_error(away)
            assert watch.state is BrokerState.AWAY
            watch.on_statistics('{"brokers": {"b": {"state": "UP"}}}')
    assert lines(logs) == ["broker_away", "broker_back"]


def test_a_refused_password_is_one_line_with_the_reason(
    secure_kafka: SecureBroker,
) -> None:
    settings = {
        "bootstrap.servers": secure_kafka.doors["PLAIN"],
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "guest",
        "sasl.password": "never-shown",
    }
    with structlog.testing.capture_logs() as logs:
        watch, producer = watched(dict(settings))
        patience = time.monotonic() + 1.5
        poll(producer, lambda: time.monotonic() > patience)
    assert watch.state is BrokerState.REFUSED
    assert lines(logs) == ["broker_refused"]
    assert "Invalid username or password" in str(logs)
    assert "never-shown" not in str(logs)
