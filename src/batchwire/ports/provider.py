"""The door to an SMS provider."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from batchwire.domain.outcome import Answer, Message


class ProviderTraits(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the engine must know of a provider to pace and to recover.

    ``concurrency`` calls of ``submit`` may be under way at once, each with at most
    ``batch_size`` messages. ``rate_parts_per_s`` 0 means unlimited; ``burst_parts`` is
    how many parts may go at once after a silence. ``honours_idempotency_key``: the
    provider accepts one key only once, so an uncertain message may be sent again.
    """

    name: str
    concurrency: int = 32
    batch_size: int = 1
    rate_parts_per_s: float = 0.0
    burst_parts: int = 0
    honours_idempotency_key: bool = False


class Provider(Protocol):
    """Submits messages. One instance serves one event loop."""

    @property
    def traits(self) -> ProviderTraits:
        """Constant for the life of the provider."""
        ...

    async def open(self) -> None:
        """
        Make ready to submit. Idempotent; sends no message.

        Raises:
            ProviderError: the settings cannot work.
        """
        ...

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """
        Submit 1 … ``batch_size`` messages; answers in the same order and number.

        Called concurrently. Never raises for what a network or a provider does: that
        is a verdict. Conservative: only what surely never reached the provider is
        ``CONNECTION``; whatever is lost after that is ``UNCERTAIN``. Never sends a
        message twice by itself. Ends within the provider's own time-outs.
        """
        ...

    async def close(self) -> None:
        """Release connections. Idempotent; nothing is in flight any more."""
        ...
