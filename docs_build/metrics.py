"""The page of the metrics, read from the closed list."""

from batchwire.domain.metric import Histogram, Label
from batchwire.domain.metric_list import METRICS
from docs_build.markdown import code, table

_HEAD = """\
# Metrics

For Prometheus, at `/metrics`. Seconds and bytes; no batch and no number is ever in a label.
What can be known beforehand begins at 0. The Prometheus client adds a `…_created` series to
each counter and histogram; `PROMETHEUS_DISABLE_CREATED_SERIES=True` in the environment of
the process leaves them out.

"""


def page() -> str:
    """Give the page."""
    return (
        _HEAD
        + table(
            ("metric", "type", "labels", "meaning"),
            (
                (
                    ", also as ".join(map(code, one.names)),
                    type(one).__name__.lower(),
                    "; ".join(map(_label, one.labels)),
                    one.meaning,
                )
                for one in METRICS
            ),
        )
        + _buckets()
    )


def _label(label: Label) -> str:
    values = ", ".join(map(code, label.values))
    return f"{code(label.name)}: {values}" if values else code(label.name)


def _buckets() -> str:
    return "\nUpper bounds of the histograms:\n\n" + "".join(
        f"- {code(one.name)}: {', '.join(f'{bound:g}' for bound in one.buckets)}\n"
        for one in METRICS
        if isinstance(one, Histogram)
    )
