"""What a bench reports: one line to read, one JSON object to keep."""

from collections.abc import Sequence
from pathlib import Path

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One case of a bench.

    ``value`` is ours and ``floor`` the floor's, in ``unit``, medians of ``runs``.
    ``ratio`` is the median of the ratios of the runs, ours to the floor's of the same
    run. The promise is about the ratio where there is one, else about the value.
    """

    bench: str
    case: str
    value: float
    unit: str
    runs: int
    floor: float | None = None
    ratio: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the promise is kept; what promises nothing keeps it."""
        found = self.value if self.ratio is None else self.ratio
        least = self.at_least is None or found >= self.at_least
        return least and (self.at_most is None or found <= self.at_most)

    def line(self) -> str:
        """Tell it to a person."""
        words = [f"{self.bench:14} {self.case:40} {told(self.value)} {self.unit}"]
        if self.floor is not None:
            words.append(f"floor {told(self.floor)}")
        if self.ratio is not None:
            words.append(f"ratio {self.ratio:.2f}")
        promise = [
            f"{name} {told(bound)}"
            for name, bound in (("at least", self.at_least), ("at most", self.at_most))
            if bound is not None
        ]
        if promise:
            words.append(f"({promise[0]}: {'kept' if self.is_kept else 'MISSED'})")
        return "  ".join(words)


def write(directory: Path, name: str, figures: Sequence[Figure]) -> None:
    """Write ``<directory>/<name>.json``: an object, or a list of several."""
    directory.mkdir(parents=True, exist_ok=True)
    content = figures[0] if len(figures) == 1 else figures
    data = msgspec.json.format(msgspec.json.encode(content), indent=2)
    (directory / f"{name}.json").write_bytes(data + b"\n")


def told(number: float) -> str:
    """Write a number as a table has it."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"  # noqa: PLR2004
