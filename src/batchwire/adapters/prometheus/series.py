"""The series of one kind of metric: found by metric and labels, made when first asked."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Generic, TypeVar

import prometheus_client as prometheus

from batchwire.domain.metric import Metric

M = TypeVar("M", bound=Metric)
F = TypeVar("F", prometheus.Counter, prometheus.Gauge, prometheus.Histogram)


class Series(Generic[M, F]):
    """
    Finds series; a dictionary in front of the client's own search.

    ``make`` makes the family of a metric under one of its names.
    """

    def __init__(self, metrics: Iterable[M], make: Callable[[M, str], F]) -> None:
        self._families: dict[Metric, tuple[F, ...]] = {
            one: tuple(make(one, name) for name in one.names) for one in metrics
        }
        self._known: dict[
            tuple[Metric, tuple[tuple[str, str], ...]], tuple[F, ...]
        ] = {}
        for metric in self._families:
            self._start(metric)

    def of(self, metric: Metric, labels: dict[str, str]) -> tuple[F, ...]:
        """
        Give the series, one for each name of the metric.

        Raises:
            ValueError: the labels are not the metric's own.

        """
        key = (metric, tuple(labels.items()))
        known = self._known.get(key)
        if known is None:
            metric.check(labels)
            families = self._families[metric]
            known = tuple(one.labels(**labels) if labels else one for one in families)
            self._known[key] = known
        return known

    def forget(self, metric: Metric, labels: dict[str, str]) -> None:
        """Let the series go; it can come again."""
        if self._known.pop((metric, tuple(labels.items())), None) is None:
            return
        for family in self._families[metric]:
            family.remove(*(labels[name] for name in metric.label_names))

    def _start(self, metric: Metric) -> None:
        """Make the series that can be known beforehand, so that they begin at 0."""
        if all(label.values for label in metric.labels):
            for values in product(*(label.values for label in metric.labels)):
                self.of(metric, dict(zip(metric.label_names, values, strict=True)))


def observe_all(histogram: prometheus.Histogram, values: Sequence[float]) -> None:
    """
    Let a histogram take many values.

    The client takes one at a time, 4 us each; a consumer has two for each event. This
    is its ``observe``, a lock for each bucket instead of two for each value.
    """
    bounds = histogram._upper_bounds  # noqa: SLF001 - it has no other way
    found = Counter(bisect_left(bounds, value) for value in values)
    for at, count in found.items():
        histogram._buckets[at].inc(count)  # noqa: SLF001
    histogram._sum.inc(sum(values))  # noqa: SLF001
