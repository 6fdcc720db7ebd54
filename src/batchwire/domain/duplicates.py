"""
Finding every number that stands twice in a list, in memory that does not grow with it.

Two looks. The first, while chunks are prepared, marks a bit per number in a map of
fixed size; whose bit is marked already is a suspect: a duplicate, or a collision. The
second, over the finished chunks, confirms: of each suspect number the first occurrence
stays, the others are duplicates.
"""

from collections.abc import Iterable, Sequence

MAP_BITS = 1 << 28  # 32 MiB; 5 million numbers make 1 % suspects by collision


class Suspects:
    """The first look. ``numbers`` are the suspects so far."""

    def __init__(self) -> None:
        self._map = bytearray(MAP_BITS >> 3)
        self.numbers: set[str] = set()

    def look(self, numbers: Iterable[str]) -> None:
        """Look at further numbers of the list, each once."""
        bits, mask, suspect = self._map, MAP_BITS - 1, self.numbers.add
        for number in numbers:
            place = hash(number) & mask
            byte, bit = place >> 3, 1 << (place & 7)
            if bits[byte] & bit:
                suspect(number)
            else:
                bits[byte] |= bit


class Confirmation:
    """The second look, over all chunks in order, for some of the suspects."""

    def __init__(self, suspects: set[str]) -> None:
        self._suspects = suspects
        self._seen: set[str] = set()

    def duplicates(self, numbers: Sequence[str], flawed: Sequence[int]) -> list[int]:
        """
        Give the positions in this chunk whose number stood earlier in the list.

        ``flawed`` is nonzero where a recipient is unusable already: it does not count.
        """
        if self._suspects.isdisjoint(numbers):
            return []
        found = []
        for at, number in enumerate(numbers):
            if number in self._suspects and not flawed[at]:
                if number in self._seen:
                    found.append(at)
                else:
                    self._seen.add(number)
        return found
