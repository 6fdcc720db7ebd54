"""Figures in memory, read back."""

import pytest

from batchwire.adapters.memory.metrics import MemoryMetrics
from batchwire.domain.metric_list import (
    CONSUMER_PROCESSING,
    CONSUMER_RECEIVED,
    OUTBOX_PENDING,
)
from batchwire.ports.metrics import Metrics


def test_counters_add_up_by_label_and_gauges_keep_the_last() -> None:
    metrics = MemoryMetrics()
    door: Metrics = metrics
    door.add(CONSUMER_RECEIVED, 3, type="batch_request")
    door.add(CONSUMER_RECEIVED, type="batch_request")
    door.add(CONSUMER_RECEIVED, type="other")
    door.set(OUTBOX_PENDING, 7)
    door.set(OUTBOX_PENDING, 2)
    assert metrics.value(CONSUMER_RECEIVED, type="batch_request") == 4
    assert metrics.value(CONSUMER_RECEIVED, type="other") == 1
    assert metrics.value(CONSUMER_RECEIVED, type="batch_operation") == 0
    assert metrics.value(OUTBOX_PENDING) == 2


def test_a_histogram_is_its_sum_and_how_many_there_were() -> None:
    metrics = MemoryMetrics()
    metrics.observe(CONSUMER_PROCESSING, 0.5)
    metrics.observe(CONSUMER_PROCESSING, 0.25)
    assert metrics.value(CONSUMER_PROCESSING) == 0.75
    assert metrics.observed(CONSUMER_PROCESSING) == 2


def test_a_label_that_is_not_the_metrics_own_is_a_defect() -> None:
    metrics = MemoryMetrics()
    with pytest.raises(ValueError, match="not \\['batch_id'\\]"):
        metrics.add(CONSUMER_RECEIVED, batch_id="b-1")
    with pytest.raises(ValueError, match="has no type 'b-1'"):
        metrics.add(CONSUMER_RECEIVED, type="b-1")
