"""
Finding every number that stands twice in a list, in memory that does not grow with it.

Two looks. The first, while chunks are prepared, marks a bit per number in a map of
fixed size; whose bit is marked already is a suspect: a duplicate, or a collision. The
second, over the finished chunks, confirms: of each suspect number the first occurrence
stays, the others are duplicates.

While the suspects are few they are kept themselves. When they are too many, a byte
marks each in a second map, and further looks take the marked numbers in turns, each a
share of their hashes. So a list in which everybody stands twice costs time, not memory.
"""

from collections.abc import Collection, Iterator, Sequence

MAP_BITS = 1 << 28  # 32 MiB; 5 million numbers make 1 % suspects by collision

_MARKS = 1 << 23  # 8 MiB; 5 million suspects mark half of them
_MARK_SHIFT = 28  # each use takes other bits of the hash
_TURN_SHIFT = 51


class Suspects:
    """
    The first look.

    ``most``: how many suspects may be kept at once, some 110 bytes each.
    """

    def __init__(self, most: int) -> None:
        self._map = bytearray(MAP_BITS >> 3)
        self._most = most
        self._kept: set[str] = set()
        self._marks = bytearray()
        self._looked_at = 0

    def look(self, numbers: Collection[str]) -> None:
        """Look at further numbers of the list, each once."""
        bits, mask, suspect = self._map, MAP_BITS - 1, self._kept.add
        for number in numbers:
            place = hash(number) & mask
            byte, bit = place >> 3, 1 << (place & 7)
            if bits[byte] & bit:
                suspect(number)
            else:
                bits[byte] |= bit
        self._looked_at += len(numbers)
        if len(self._kept) > self._most:
            self._mark()

    def confirmations(self) -> Iterator["Confirmation"]:
        """Give the second looks to be taken, one after the other; ends the first."""
        self._map = bytearray()
        if not self._marks:
            if self._kept:
                yield Confirmation(self._kept)
            return
        self._mark()
        turns = self._turns()
        for turn in range(turns):
            yield _Turn(self._marks, turn, turns)

    def _mark(self) -> None:
        """Keep marks in the place of the suspects themselves."""
        self._marks = self._marks or bytearray(_MARKS)
        for number in self._kept:
            self._marks[hash(number) >> _MARK_SHIFT & _MARKS - 1] = 1
        self._kept.clear()

    def _turns(self) -> int:
        """Take so many that about ``most`` numbers are marked in each."""
        marked = self._marks.count(1)
        by_chance = self._looked_at * marked // _MARKS
        return -(-(marked + by_chance) // self._most)


class Confirmation:
    """A second look, over all chunks in order, for some of the suspects."""

    def __init__(self, suspects: set[str]) -> None:
        self._suspects = suspects
        self._seen: set[str] = set()

    def duplicates(self, numbers: Sequence[str], flawed: Sequence[int]) -> list[int]:
        """
        Give the positions in this chunk whose number stood earlier in the list.

        ``flawed`` is nonzero where a recipient is unusable already: it does not count.
        """
        suspects = self._suspects_of(numbers)
        if not suspects:
            return []
        found = []
        for at, number in enumerate(numbers):
            if number in suspects and not flawed[at]:
                if number in self._seen:
                    found.append(at)
                else:
                    self._seen.add(number)
        return found

    def _suspects_of(self, numbers: Sequence[str]) -> set[str]:
        return self._suspects.intersection(numbers)


class _Turn(Confirmation):
    """A second look for the marked numbers of one turn."""

    def __init__(self, marks: bytearray, turn: int, turns: int) -> None:
        super().__init__(set())
        self._marks = marks
        self._turn = turn
        self._turns = turns

    def _suspects_of(self, numbers: Sequence[str]) -> set[str]:
        marks, turn, turns = self._marks, self._turn, self._turns
        return {
            number
            for number, code in zip(numbers, map(hash, numbers), strict=True)
            if (code >> _TURN_SHIFT) % turns == turn
            and marks[code >> _MARK_SHIFT & _MARKS - 1]
        }
