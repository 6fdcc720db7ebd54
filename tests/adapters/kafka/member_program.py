"""A member of a group in a process of its own: one JSON line for each event."""

import asyncio
import json
import sys
from collections.abc import Sequence

import structlog

from batchwire.adapters.kafka.connection import KafkaConnectionSettings
from batchwire.adapters.kafka.member_settings import SubscriptionSettings
from batchwire.adapters.kafka.subscription import KafkaSubscription
from batchwire.domain.record import Partition, Record
from batchwire.testing.collector import Collector


class Printing(Collector):
    """Says what happens; finishes what it received when it is too late."""

    subscription: KafkaSubscription

    def received(self, records: Sequence[Record]) -> None:
        """Say how many there are now."""
        super().received(records)
        say("received", len(self.records))

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Say how many came."""
        super().assigned(partitions)
        say("assigned", len(partitions))

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Finish, which must have no effect any more."""
        super().lost(partitions)
        self.subscription.finish(self.positions)
        say("lost", len(partitions))


def say(event: str, count: int) -> None:
    print(json.dumps([event, count]), flush=True)  # noqa: T201 - what it is for


async def main(address: str, topic: str) -> None:
    listener = Printing()
    listener.subscription = KafkaSubscription(
        SubscriptionSettings(
            connection=KafkaConnectionSettings(brokers=(address,)),
            topic=topic,
            group_id=topic,
        )
    )
    await listener.subscription.open(listener)
    await asyncio.to_thread(sys.stdin.read)
    listener.subscription.finish(listener.positions)
    await listener.subscription.close()


if __name__ == "__main__":
    # Another thread logs: its lines would run into ours.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(*sys.argv[1:]))
