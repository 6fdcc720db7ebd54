"""The door to observed batches: those that another system executes."""

from collections.abc import Mapping
from typing import Protocol

from batchwire.domain.observed import ObservedBatch
from batchwire.domain.operations import Command


class ObservedBatches(Protocol):
    """What is known of the batches of others; their events are in the event store."""

    async def find(self) -> list[ObservedBatch]:
        """Read them, newest first."""
        ...

    async def one(self, batch_id: str) -> ObservedBatch:
        """
        Read one.

        Raises:
            UnknownBatch: no observed batch has this id.

        """
        ...

    async def operate(
        self, command: Command, metadata: Mapping[str, str] | None = None
    ) -> ObservedBatch:
        """
        Publish an operation for the system that executes the batch; changes nothing here.

        The record in the outbox and the event in the batch's log are one transaction.
        The same request_id again publishes nothing more.

        Raises:
            UnknownBatch: no observed batch has this id.
            BatchConflict: the request_id was another operation's, or one with another
                phase or metadata.

        """
        ...
