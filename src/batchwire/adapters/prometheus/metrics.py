"""The closed list of metrics in a registry of the Prometheus client."""

from collections.abc import Sequence

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry

from batchwire.adapters.prometheus.series import M, Series, observe_all
from batchwire.domain.metric import Counter, Gauge, Histogram
from batchwire.domain.metric_list import METRICS


class PrometheusMetrics:
    """
    Implements ``ports.metrics.Metrics``.

    A registry of its own, so that two services in one process, or a host with metrics
    of its own, do not meet. What can be known beforehand is there from the start, at 0.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters = Series(_all(Counter), self._counter)
        self._gauges = Series(_all(Gauge), self._gauge)
        self._histograms = Series(_all(Histogram), self._histogram)

    def add(self, metric: Counter, amount: float = 1, /, **labels: str) -> None:
        """Count ``amount`` more."""
        for one in self._counters.of(metric, labels):
            one.inc(amount)

    def set(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Say how much it is now."""
        for one in self._gauges.of(metric, labels):
            one.set(value)

    def observe(self, metric: Histogram, value: float, /, **labels: str) -> None:
        """Take one value."""
        self.observe_all(metric, (value,), **labels)

    def observe_all(
        self, metric: Histogram, values: Sequence[float], /, **labels: str
    ) -> None:
        """Take many values of one series."""
        for one in self._histograms.of(metric, labels):
            observe_all(one, values)

    def forget(self, metric: Gauge, /, **labels: str) -> None:
        """Show it no longer."""
        self._gauges.forget(metric, labels)

    def _counter(self, metric: Counter, name: str) -> prometheus.Counter:
        return prometheus.Counter(
            name, metric.meaning, metric.label_names, registry=self.registry
        )

    def _gauge(self, metric: Gauge, name: str) -> prometheus.Gauge:
        return prometheus.Gauge(
            name, metric.meaning, metric.label_names, registry=self.registry
        )

    def _histogram(self, metric: Histogram, name: str) -> prometheus.Histogram:
        return prometheus.Histogram(
            name,
            metric.meaning,
            metric.label_names,
            registry=self.registry,
            buckets=metric.buckets,
        )


def _all(kind: type[M]) -> list[M]:
    return [one for one in METRICS if isinstance(one, kind)]
