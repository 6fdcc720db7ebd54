"""
Sharing: whose messages are intended next, and how far ahead.

The room in each provider's line is shared among its batches: whoever had least, by the
weight of its priority, goes next, so that none is left out. How much room there is
follows what the senders take until the next cycle.
"""

from collections.abc import Collection

from batchwire.domain.outcome import Outcome
from batchwire.engine.load import Run
from batchwire.engine.settings import EngineSettings
from batchwire.engine.submission import LEAST_WINDOW, Line, Slice
from batchwire.ports.clock import Clock

_MOST_CHUNKS = 32
_SOON_S = 0.5
_CREDIT = 2  # rooms of a line that a batch may catch up on
_LOW = 4  # a line runs low with less than this part of its room


class Sharing:
    """Chooses the messages of the next flush; ``take`` gives them, by batch."""

    def __init__(self, clock: Clock, settings: EngineSettings) -> None:
        self._clock = clock
        self._most = settings.max_window
        self._filled: set[Line] = set()  # those whose room was used up last time
        self._chosen: dict[str, list[Slice]] = {}  # whose intent is not stored yet

    def choose(self, lines: Collection[Line], runs: Collection[Run]) -> None:
        """
        Share the room in the lines among the batches; say what each is to claim.

        What was chosen for a flush that failed is still there, and goes with this one.
        """
        self._adapt(lines, runs)
        now = self._clock.monotonic()
        for line in lines:
            line.pace.measure(now)
        for run in runs:
            run.wanted = 0
        for line in lines:
            ready = [r for r in runs if r.line is line and r.may_intend()]
            self._fill(line, list(ready))
            self._ask(line, ready)

    def take(self) -> dict[str, list[Slice]]:
        """Hand over what was chosen, now that it is stored as intended."""
        chosen, self._chosen = self._chosen, {}
        return chosen

    def _fill(self, line: Line, ready: list[Run]) -> None:
        room = self._room(line) - line.waiting - self._ahead(line)
        least = min((run.weight for run in ready), default=1.0)
        credit = _CREDIT * self._room(line) / least
        while room > 0 and ready:
            run = min(ready, key=lambda r: r.turn)
            one = run.intend(min(room, max(LEAST_WINDOW, line.capacity)))
            if one is None:
                ready.remove(run)
                continue
            # Who could not go for a while has no claim to what it did not use, but to
            # what went by while its next chunks were claimed.
            run.turn = max(run.turn, line.turn - credit)
            line.turn = max(run.turn, line.turn)
            run.turn += one.left / run.weight
            room -= one.left
            self._chosen.setdefault(run.batch.spec.batch_id, []).append(one)
        line.low_mark = self._room(line) // _LOW
        if room <= 0:
            self._filled.add(line)

    def _ask(self, line: Line, ready: list[Run]) -> None:
        """
        Say how many chunks to claim for each batch: the one whose turn is next first.

        What is claimed here no other process can send. So while the line has enough for
        the next two cycles, a batch claims nothing before its turn has come again.
        """
        enough = 2 * self._room(line)
        ahead = [run for run in ready if run.pace is None and run.unintended()]
        held = sum(run.unintended() for run in ahead)
        for run in sorted(ready, key=lambda r: r.turn):
            owed = min(enough, run.counts[Outcome.OPEN]) / run.weight
            turns = [other.turn for other in ahead if other is not run]
            if held >= enough and turns and run.turn + owed > min(turns):
                continue
            run.wanted = self._lacking_chunks(run, enough)
            if run.wanted and not run.is_exhausted:  # else others have it all, probably
                ahead.append(run)
                held += run.wanted * run.batch.spec.chunk_size

    def _lacking_chunks(self, run: Run, enough: int) -> int:
        """How many chunks to claim: enough for the next two cycles, few in memory."""
        lacking = enough - run.unintended()
        if lacking <= 0 or not run.may_claim():
            return 0
        size = run.batch.spec.chunk_size
        most = max(_MOST_CHUNKS, 3 * run.line.window // size)
        return max(0, min(-(-lacking // size), most - len(run.loads)))

    def _ahead(self, line: Line) -> int:
        """How many messages are chosen for the line already."""
        return sum(
            one.left
            for slices in self._chosen.values()
            for one in slices
            if one.load.run.line is line
        )

    def _room(self, line: Line) -> int:
        """
        How many messages may wait in the line: enough for every sender twice.

        But no more than the rate lets go soon: the others behind them would wait, and
        a crash would leave them uncertain.
        """
        most = max(line.pace.allowed(_SOON_S), 2 * line.traits.batch_size)
        window = min(line.window, self._most)
        return int(min(max(window, 2 * line.capacity), most))

    def _adapt(self, lines: Collection[Line], runs: Collection[Run]) -> None:
        """
        Intend as far ahead as each line's senders take until the next cycle, no further.

        A line that ran low because there was nothing to fill it with asks for no more,
        and one that nobody uses begins anew: its provider may be slow by then.
        """
        used = {run.line for run in runs}
        for line in lines:
            if line not in used:
                line.window = LEAST_WINDOW
            elif line in self._filled and line.ran_low and not line.is_blocked:
                line.window = min(line.window * 2, self._most)
            elif line.waiting > line.window / 2:
                line.window = max(line.window * 3 // 4, LEAST_WINDOW)
        self._filled.clear()
