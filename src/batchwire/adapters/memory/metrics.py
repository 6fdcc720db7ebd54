"""Figures kept in memory: where nobody scrapes, and for tests, which read them."""

from collections import defaultdict
from collections.abc import Sequence

from batchwire.domain.metric import Counter, Gauge, Histogram, Metric

_Key = tuple[Metric, tuple[tuple[str, str], ...]]


class MemoryMetrics:
    """
    Implements ``ports.metrics.Metrics``.

    Of a histogram it keeps how many values there were, and their sum.
    """

    def __init__(self) -> None:
        self._values: defaultdict[_Key, float] = defaultdict(float)
        self._observed: defaultdict[_Key, int] = defaultdict(int)

    def add(self, metric: Counter, amount: float = 1, /, **labels: str) -> None:
        """Count ``amount`` more."""
        self._values[_key(metric, labels)] += amount

    def set(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Say how much it is now."""
        self._values[_key(metric, labels)] = value

    def observe(self, metric: Histogram, value: float, /, **labels: str) -> None:
        """Take one value."""
        self.observe_all(metric, (value,), **labels)

    def observe_all(
        self, metric: Histogram, values: Sequence[float], /, **labels: str
    ) -> None:
        """Take many values of one series."""
        key = _key(metric, labels)
        self._values[key] += sum(values)
        self._observed[key] += len(values)

    def forget(self, metric: Gauge, /, **labels: str) -> None:
        """Show it no longer."""
        self._values.pop(_key(metric, labels), None)

    def value(self, metric: Metric, /, **labels: str) -> float:
        """Give a counter, a gauge, or the sum of a histogram; 0 where nothing came."""
        return self._values.get(_key(metric, labels), 0.0)

    def observed(self, metric: Histogram, /, **labels: str) -> int:
        """Give how many values a histogram took."""
        return self._observed.get(_key(metric, labels), 0)


def _key(metric: Metric, labels: dict[str, str]) -> _Key:
    metric.check(labels)
    return metric, tuple(sorted(labels.items()))
