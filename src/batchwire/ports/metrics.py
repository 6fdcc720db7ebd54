"""
The door to what is measured. The names are ``domain.metric_list``, and no others.

``metrics.add(CONSUMER_RECEIVED, n, type=…)``, ``metrics.set(OUTBOX_PENDING, n)``,
``metrics.observe(CONSUMER_PROCESSING, seconds)``.
"""

from collections.abc import Sequence
from typing import Protocol

from batchwire.domain.metric import Counter, Gauge, Histogram


class Metrics(Protocol):
    """
    Takes figures: a microsecond a call, from any thread, never waits, keeps no history.

    Labels are the metric's own, all of them, by name; others, and values that its list
    does not have, raise ``ValueError``: a defect of the caller.
    """

    def add(self, metric: Counter, amount: float = 1, /, **labels: str) -> None:
        """Count ``amount`` more, not negative."""
        ...

    def set(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Say how much it is now."""
        ...

    def observe(self, metric: Histogram, value: float, /, **labels: str) -> None:
        """Take one value, in the metric's unit."""
        ...

    def observe_all(
        self, metric: Histogram, values: Sequence[float], /, **labels: str
    ) -> None:
        """Take many values of one series."""
        ...

    def forget(self, metric: Gauge, /, **labels: str) -> None:
        """
        Show it no longer, until it is set again: a partition that somebody else has.

        Only with labels; idempotent.
        """
        ...
