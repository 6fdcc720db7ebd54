"""The door to an outbox that a host writes to, from whatever thread it has."""

from typing import Protocol

from batchwire.ports.bus import Outgoing
from batchwire.ports.outbox import Outbox


class HostOutbox(Outbox, Protocol):
    """
    An outbox in the process of a host; one relay reads it, on a thread of its own.

    Here ``lease`` takes over what processes that are gone have left.
    """

    @property
    def kept(self) -> int:
        """How many records ``append`` has kept."""
        ...

    @property
    def waiting_rows(self) -> int:
        """How many records are not sent, those taken over among them."""
        ...

    @property
    def problem(self) -> str:
        """Why a killed process would lose records now; empty where it would not."""
        ...

    def append(self, outgoing: Outgoing) -> None:
        """
        Keep a record; waits for no disk and no broker. For any thread.

        Raises:
            StoreError: it is not kept.

        """
        ...

    def leave(self) -> None:
        """Let go of everything in a forked child: it stays the parent's."""
        ...
