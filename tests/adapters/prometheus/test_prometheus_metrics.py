"""What Prometheus reads is the closed list, and what was counted."""

import urllib.request

import prometheus_client as prometheus
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from batchwire.adapters.prometheus.endpoint import served
from batchwire.adapters.prometheus.metrics import PrometheusMetrics
from batchwire.adapters.prometheus.series import observe_all
from batchwire.domain.metric_list import (
    CONSUMER_LAG,
    CONSUMER_LAG_RECORDS,
    CONSUMER_PROCESSED,
    CONSUMER_PROCESSING,
    METRICS,
    OUTBOX_PENDING,
)
from batchwire.errors import SettingsError
from batchwire.ports.metrics import Metrics

PARTITION = {"consumergroup": "g", "topic": "t", "partition": "3"}


def value(metrics: PrometheusMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_figures_are_read_as_they_were_given() -> None:
    metrics = PrometheusMetrics()
    door: Metrics = metrics
    done = {"type": "batch_request", "outcome": "ok"}
    door.add(CONSUMER_PROCESSED, 2, **done)
    door.add(CONSUMER_PROCESSED, **done)
    door.set(OUTBOX_PENDING, 7)
    door.observe(CONSUMER_PROCESSING, 0.02)
    assert value(metrics, "batchwire_consumer_processed_total", **done) == 3
    assert value(metrics, "batchwire_outbox_pending") == 7
    name = "batchwire_consumer_processing_seconds"
    assert value(metrics, f"{name}_sum") == 0.02
    assert value(metrics, f"{name}_bucket", le="0.005") == 0
    assert value(metrics, f"{name}_bucket", le="0.025") == 1


def test_many_values_at_once_are_counted_as_the_client_counts_each() -> None:
    bounds = CONSUMER_PROCESSING.buckets
    values = [0.0, *bounds, bounds[0] / 2, bounds[-1] * 2, bounds[0]]
    theirs = prometheus.Histogram("h", "", registry=None, buckets=bounds)
    ours = prometheus.Histogram("h", "", registry=None, buckets=bounds)
    for one in values:
        theirs.observe(one)
    observe_all(ours, values)

    def samples(histogram: prometheus.Histogram) -> list[tuple[str, object, float]]:
        (family,) = histogram.collect()
        kept = [one for one in family.samples if not one.name.endswith("_created")]
        return [(one.name, one.labels, round(one.value, 9)) for one in kept]

    assert samples(ours) == samples(theirs)


def test_the_lag_stands_under_kafka_exporters_name_too() -> None:
    metrics = PrometheusMetrics()
    metrics.set(CONSUMER_LAG_RECORDS, 12, **PARTITION)
    assert value(metrics, "batchwire_consumer_lag_records", **PARTITION) == 12
    assert value(metrics, "kafka_consumergroup_lag", **PARTITION) == 12


def test_a_partition_that_somebody_else_has_is_shown_no_longer() -> None:
    metrics = PrometheusMetrics()
    for _ in range(2):  # it can come back
        metrics.set(CONSUMER_LAG_RECORDS, 12, **PARTITION)
        metrics.set(CONSUMER_LAG, 3.5, **PARTITION)
        metrics.forget(CONSUMER_LAG_RECORDS, **PARTITION)
        metrics.forget(CONSUMER_LAG_RECORDS, **PARTITION)
        assert value(metrics, "kafka_consumergroup_lag", **PARTITION) is None
        assert value(metrics, "batchwire_consumer_lag_records", **PARTITION) is None
        assert value(metrics, "batchwire_consumer_lag_seconds", **PARTITION) == 3.5


def test_what_can_be_known_beforehand_begins_at_zero() -> None:
    metrics = PrometheusMetrics()
    labels = {"type": "batch_operation", "outcome": "dead"}
    assert value(metrics, "batchwire_consumer_processed_total", **labels) == 0
    assert value(metrics, "batchwire_outbox_pending") == 0


@pytest.mark.parametrize("labels", [{}, {"type": "b-1", "outcome": "ok"}])
def test_labels_that_are_not_its_own_are_a_defect(labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="batchwire_consumer_processed_total has"):
        PrometheusMetrics().add(CONSUMER_PROCESSED, **labels)


def test_the_families_are_the_closed_list_and_no_other() -> None:
    text = generate_latest(PrometheusMetrics().registry).decode()
    told = {one.name: one for one in text_string_to_metric_families(text)}
    created = {name for name in told if name.endswith("_created")}
    names = {name.removesuffix("_total") for one in METRICS for name in one.names}
    assert told.keys() - created == names
    for metric in METRICS:
        kind = told[metric.name.removesuffix("_total")].type
        assert kind == type(metric).__name__.lower()


def test_two_registries_in_one_process_do_not_meet() -> None:
    one, other = PrometheusMetrics(), PrometheusMetrics()
    one.set(OUTBOX_PENDING, 7)
    assert value(other, "batchwire_outbox_pending") == 0


def test_prometheus_reads_them_over_http() -> None:
    metrics = PrometheusMetrics()
    metrics.set(OUTBOX_PENDING, 7)
    with served(metrics, port=0) as port:
        url = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
            assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "batchwire_outbox_pending 7.0" in text


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with served(PrometheusMetrics(), port=0) as port:
        taken = served(PrometheusMetrics(), port)
        with pytest.raises(SettingsError, match=f"127.0.0.1:{port}.*take another"):
            taken.__enter__()
