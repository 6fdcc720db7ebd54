"""The closed list: names by the rules of Prometheus, values of labels as elsewhere."""

import re

import pytest

from batchwire.domain import metric_list
from batchwire.domain.metric import Counter, Histogram, Label, Metric
from batchwire.domain.metric_list import METRICS
from batchwire.messages.message import MessageType

NAMES = [one.name for one in METRICS] + [one.also for one in METRICS if one.also]
each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def values_of(metric: Metric, label: str) -> tuple[str, ...]:
    return next(one.values for one in metric.labels if one.name == label)


def test_no_two_metrics_have_one_name() -> None:
    assert len(set(NAMES)) == len(NAMES)


@each
def test_a_name_ends_in_its_unit_and_a_counters_in_total(metric: Metric) -> None:
    stem = metric.name.removesuffix("_total")
    assert (stem != metric.name) == isinstance(metric, Counter)
    assert re.fullmatch(r"batchwire_[a-z_]+[a-z]", metric.name)
    assert stem.endswith(metric.unit)
    assert "_ms" not in stem


@each
def test_no_label_grows_with_the_traffic(metric: Metric) -> None:
    names = {label.name for label in metric.labels}
    assert not names & {"batch_id", "request_id", "recipient", "number", "to"}


@each
def test_buckets_ascend(metric: Metric) -> None:
    if isinstance(metric, Histogram):
        assert sorted(set(metric.buckets)) == list(metric.buckets)


def test_the_values_of_labels_are_those_of_the_code() -> None:
    received = values_of(metric_list.CONSUMER_RECEIVED, "type")
    assert received == (*MessageType, metric_list.OTHER)


def test_labels_that_do_not_fit_are_refused() -> None:
    metric = Counter(
        name="x_total", meaning="", labels=(Label("a"), Label("b", ("1",)))
    )
    metric.check({"b": "1", "a": "any"})
    for labels in (
        {},
        {"a": "1"},
        {"a": "1", "b": "1", "c": "1"},
        {"a": "1", "b": "2"},
    ):
        with pytest.raises(ValueError, match="x_total has"):
            metric.check(labels)
