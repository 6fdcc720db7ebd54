"""The producer: one thread that owns librdkafka's, served for an event loop."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from batchwire.adapters.kafka.translation import translated
from batchwire.adapters.kafka.writing import ProducerSettings, Writer
from batchwire.errors import BrokerError
from batchwire.ports.bus import Outgoing

# How often librdkafka may call back while nothing is published.
IDLE_S: Final = 1.0


class KafkaProducer:
    """
    Writes to Kafka (``ports.bus.Producer``); pages are written one after another.

    A page costs one hop into the thread and one back, and the loop goes on meanwhile.
    """

    def __init__(self, settings: ProducerSettings) -> None:
        self._settings = settings
        self._writer: Writer | None = None
        self._thread = _new_thread()
        self._idling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """
        Make the client; its connections come when they are needed. Idempotent.

        Raises:
            SettingsError: a secret is missing.
            BrokerError: librdkafka does not take the settings.

        """
        if self._writer is not None:
            return
        with translated("making a producer"):
            self._writer = Writer(self._settings)
        self._thread = _new_thread()
        self._idling = asyncio.create_task(self._idle(self._writer))

    async def publish(self, records: Sequence[Outgoing]) -> list[BrokerError | None]:
        """Write and wait, as the port promises."""
        if self._writer is None:
            raise RuntimeError("open() comes before publish()")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._writer.write, records)

    async def close(self) -> None:
        """Give up what is under way: it stays the caller's. Idempotent."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if self._idling:
            self._idling.cancel()
        writer.let_go()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, writer.close)
        self._thread.shutdown(wait=False)

    async def _idle(self, writer: Writer) -> None:
        while True:
            await asyncio.sleep(IDLE_S)
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, writer.poll)


def _new_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka-producer")
