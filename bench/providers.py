"""Providers to measure with."""

import time
from collections.abc import Sequence
from itertools import repeat

from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.ports.provider import Provider, ProviderTraits


class NullProvider:
    """Takes every message at once and gives it an id of 32 characters."""

    def __init__(self, concurrency: int = 4, batch_size: int = 1000) -> None:
        self.traits = ProviderTraits(
            name="bench", concurrency=concurrency, batch_size=batch_size
        )

    async def open(self) -> None:
        """Nothing is needed."""

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """Answer at once."""
        return list(map(Answer, repeat(Verdict.ACCEPTED), ids(len(messages))))

    async def close(self) -> None:
        """Nothing is held."""


class Stopwatch:
    """A provider that notes when it is first called, and costs nothing after that."""

    def __init__(self, provider: Provider) -> None:
        self.first_at = 0.0  # Unix seconds
        self.traits = provider.traits
        self.open = provider.open
        self.close = provider.close
        self.submit = self._first
        self._provider = provider

    async def _first(self, messages: Sequence[Message]) -> Sequence[Answer]:
        if not self.first_at:
            self.first_at = time.time()
            self.submit = self._provider.submit
        return await self._provider.submit(messages)


def ids(count: int) -> list[str]:
    """Make message ids of 32 characters, as cheaply as may be."""
    return list(map("%032x".__mod__, range(count)))
