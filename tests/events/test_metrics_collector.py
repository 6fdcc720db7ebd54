"""The specification's three calls are figures of the closed list."""

import pytest

from batchwire.adapters.memory.metrics import MemoryMetrics
from batchwire.domain.metric_list import CONSUMER_PROCESSING, CONSUMER_RECEIVED, ERRORS
from batchwire.events.metrics_collector import MetricsCollector


@pytest.mark.parametrize(
    ("said", "counted"),
    [("batch_request", "batch_request"), ("batch_explosion", "other"), ("", "other")],
)
def test_a_message_counts_by_its_type(said: str, counted: str) -> None:
    metrics = MemoryMetrics()
    MetricsCollector(metrics).increment_message_count(said)
    assert metrics.value(CONSUMER_RECEIVED, type=counted) == 1


def test_a_latency_is_seconds_of_processing() -> None:
    metrics = MemoryMetrics()
    MetricsCollector(metrics).record_processing_latency(0.25)
    assert metrics.value(CONSUMER_PROCESSING) == 0.25
    assert metrics.observed(CONSUMER_PROCESSING) == 1


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ("malformed_message", "malformed_message"),
        ("TimeoutError", "TimeoutError"),
        ("no answer from +447911123456", "other"),
        ("b-1", "other"),
    ],
)
def test_an_error_counts_by_its_name_never_by_its_text(said: str, counted: str) -> None:
    metrics = MemoryMetrics()
    MetricsCollector(metrics).record_error_count(said)
    assert metrics.value(ERRORS, error_type=counted) == 1
