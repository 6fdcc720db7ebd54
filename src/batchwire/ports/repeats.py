"""The door to who stands twice in a list: exact, over the whole list, in bounded memory."""

from collections.abc import Awaitable, Collection, Sequence
from typing import Protocol


class Repeats(Protocol):
    """
    All numbers of a list, as far as it was read.

    One preparation's own; nothing of it is left when that ends, however it does.
    """

    def add(self, numbers: Sequence[str], flawed: Collection[int]) -> None:
        """Take further numbers (E.164); what stands at the positions ``flawed`` is none."""
        ...

    def look(self) -> Awaitable[list[int]]:
        """
        Say which of the numbers added since the last look had been added before.

        Begins at once, behind those under way. Gives their positions, ascending, from 0
        for the first number since the last look.

        Raises:
            StoreFull: there is no room for temporary files.
            StoreUnreachable: they can be neither written nor read.

        """
        ...
