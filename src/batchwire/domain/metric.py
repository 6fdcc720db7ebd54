"""What a metric is: a name, a unit, a meaning, and labels of few values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Unit = Literal["", "seconds", "bytes"]

_TO_A_MINUTE = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60)


@dataclass(frozen=True, slots=True)
class Label:
    """
    A dimension of a metric; ``values`` are all it can have.

    Where the installation decides (a topic, a partition) there are none. What grows
    with the traffic, a batch_id or a telephone number, is never a label.
    """

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """
    One line of the closed list, known by being itself.

    ``name`` ends in its unit, a counter's in ``_total`` too. ``also``: a second name of
    the same figure, for dashboards that exist.
    """

    name: str
    meaning: str
    unit: Unit = ""
    labels: tuple[Label, ...] = ()
    also: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The name, and the second one where there is one."""
        return (self.name, self.also) if self.also else (self.name,)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels."""
        return tuple(label.name for label in self.labels)

    def check(self, labels: Mapping[str, str]) -> None:
        """
        Check that ``labels`` are those of this metric.

        Raises:
            ValueError: one is missing, too many, or has a value it cannot have.

        """
        if labels.keys() != set(self.label_names):
            has = list(self.label_names)
            raise ValueError(f"{self.name} has labels {has}, not {list(labels)}")
        for label in self.labels:
            value = labels[label.name]
            if label.values and value not in label.values:
                raise ValueError(f"{self.name} has no {label.name} {value!a}")


class Counter(Metric):
    """Goes up only, from 0 at the start of the process."""

    __slots__ = ()


class Gauge(Metric):
    """Goes up and down; the last value counts."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram(Metric):
    """How often a value was at most so much; ``buckets`` are the upper bounds."""

    buckets: tuple[float, ...] = _TO_A_MINUTE
