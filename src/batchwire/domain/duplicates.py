"""
Finding every number that stands twice in a list, in a byte or two of memory a number.

Two looks. The first, while chunks are prepared, asks a Bloom filter (B. Bloom, 1970)
whether a number may have been there before; then it is a suspect: a duplicate, or one
by chance. The second, over the finished chunks, confirms: of each suspect number the
first occurrence stays, the others are duplicates.

While the suspects are few they are kept themselves. When they are too many, a second
filter knows them, and further looks take them in turns, each a share of their hashes.
So a list in which everybody stands twice costs time, not memory.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import compress, repeat
from operator import contains

from rbloom import Bloom

_MOST_NUMBERS = 25_000_000  # 41 MB; of more numbers, more are suspects by chance


class Suspects:
    """
    The first look.

    ``size``: how many numbers there are, about. ``most``: how many suspects may be kept
    at once, some 110 bytes each.
    """

    def __init__(self, size: int, most: int) -> None:
        self._size = max(1, min(size, _MOST_NUMBERS))
        self._most = most
        self._seen = _filter(self._size)
        self._kept: set[str] = set()
        self._marks: Bloom | None = None
        self._marked = 0

    def look(self, numbers: Sequence[str]) -> None:
        """Look at further numbers of the list, each once."""
        known = map(contains, repeat(self._seen), numbers)
        self._kept.update(compress(numbers, known))
        here = Counter(numbers)
        if len(here) < len(numbers):
            self._kept.update([n for n, times in here.items() if times > 1])
        self._seen.update(here)
        if len(self._kept) > self._most:
            self._mark()

    def confirmations(self) -> Iterator["Confirmation"]:
        """Give the second looks to be taken, one after the other; ends the first."""
        self._seen = _filter(1)  # lets go of the large one
        if self._marks is None:
            if self._kept:
                yield Confirmation(self._kept)
            return
        marks = self._mark()
        turns = -(-self._marked // self._most)
        for turn in range(turns):
            yield _Turn(marks, turn, turns)

    def _mark(self) -> Bloom:
        """Let the second filter know the suspects in the place of keeping them."""
        if self._marks is None:
            self._marks = _filter(self._size)
        self._marks.update(self._kept)
        self._marked += len(self._kept)
        self._kept.clear()
        return self._marks


def _filter(size: int) -> Bloom:
    """
    Make a filter for so many numbers: 13 bits for each, up to 1 % by chance.

    It is one for three times as many that errs in an eighth. So it looks at three bits
    a number, where one that is made for 1 % takes 9.6 bits, and looks at seven.
    """
    return Bloom(3 * size, 0.125)


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
        found = []
        for at in self._suspected(numbers):
            if not flawed[at]:
                number = numbers[at]
                if number in self._seen:
                    found.append(at)
                else:
                    self._seen.add(number)
        return found

    def _suspected(self, numbers: Sequence[str]) -> Iterator[int]:
        """Give the positions of suspects."""
        places = range(len(numbers))
        return compress(places, map(self._suspects.__contains__, numbers))


class _Turn(Confirmation):
    """A second look for the marked numbers of one turn."""

    def __init__(self, marks: Bloom, turn: int, turns: int) -> None:
        super().__init__(set())
        self._marks = marks
        self._turn = turn
        self._turns = turns

    def _suspected(self, numbers: Sequence[str]) -> Iterator[int]:
        marked = compress(range(len(numbers)), map(self._marks.__contains__, numbers))
        return (at for at in marked if hash(numbers[at]) % self._turns == self._turn)
