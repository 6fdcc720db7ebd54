"""The door to an outbox that a host writes to, from whatever thread it has."""

from typing import Protocol

from batchwire.ports.outbox import Waiting


class HostOutbox(Waiting, Protocol):
    """
    Reports that wait in the process of a host; one relay reads them as records.

    Here ``lease`` takes over what processes that are gone have left. A report of which
    no record can be made is logged, counted, and forgotten.
    """

    @property
    def kept(self) -> int:
        """How many reports ``append`` has kept."""
        ...

    @property
    def lost(self) -> int:
        """How many were kept, and made no record or could not be read again."""
        ...

    @property
    def waiting_rows(self) -> int:
        """How many are not sent, those taken over among them."""
        ...

    @property
    def problem(self) -> str:
        """Why a killed process would lose reports now; empty where it would not."""
        ...

    def append(self, report: bytes) -> None:
        """
        Keep a report behind all others; waits for no disk and no broker. Any thread.

        Raises:
            StoreError: it is not kept.

        """
        ...

    def leave(self) -> None:
        """Let go of everything in a forked child: it stays the parent's."""
        ...
