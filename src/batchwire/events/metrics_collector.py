"""
The specification's own view of the metrics, for hosts that measure handlers of theirs.

Source: the specification, "监控指标"; CONTRACT.md.
"""

import re

from batchwire.domain.metric_list import (
    CONSUMER_PROCESSING,
    CONSUMER_RECEIVED,
    ERRORS,
    OTHER,
)
from batchwire.messages.message import MessageType
from batchwire.ports.metrics import Metrics

_TYPES = frozenset(map(str, MessageType))
_CODE = re.compile(r"[a-zA-Z_]{1,64}")


class MetricsCollector:
    """Counts into ``Metrics``: a façade over its names."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def increment_message_count(self, message_type: str) -> None:
        """Count a message that was received; an unknown type counts as ``other``."""
        known = message_type if message_type in _TYPES else OTHER
        self._metrics.add(CONSUMER_RECEIVED, type=known)

    def record_processing_latency(self, seconds: float) -> None:
        """Take how long the handling of a message took."""
        self._metrics.observe(CONSUMER_PROCESSING, seconds)

    def record_error_count(self, error_type: str) -> None:
        """
        Count an error by its code or class, ``malformed_message`` or ``TimeoutError``.

        What is no such name, an error's text for example, counts as ``other``: a label
        has few values.
        """
        known = error_type if _CODE.fullmatch(error_type) else OTHER
        self._metrics.add(ERRORS, error_type=known)
