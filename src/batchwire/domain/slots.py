"""
The slots that this process holds of a shared rate, by its own clock.

Pure arithmetic; ``now`` is a monotonic clock's seconds.
"""

from collections import deque
from dataclasses import dataclass

from batchwire.domain.rationing import Grant

_LEAST_LIFE_S = 0.02  # a loop that wakes for a slot needs as long


class ClockOffset:
    """
    Where another clock stands beside ours, as an interval, from questions and answers.

    Its time plus ``late_s`` is no earlier than it says, plus ``early_s`` no later.
    """

    def __init__(self) -> None:
        self.early_s = 0.0
        self.late_s = 0.0
        self._is_known = False

    def learn(self, asked_at: float, told: float, answered_at: float) -> None:
        """Narrow the interval; begin anew where a clock was set or drifted away."""
        early, late = asked_at - told, answered_at - told
        fits = self._is_known and early <= self.late_s and late >= self.early_s
        self.early_s = max(early, self.early_s) if fits else early
        self.late_s = min(late, self.late_s) if fits else late
        self._is_known = True


@dataclass(slots=True, kw_only=True)
class _Span:
    """Slots in a row; the first is used from ``first_at`` and before ``void_at``."""

    first_at: float
    void_at: float
    step_s: float
    parts: int

    def skip(self, parts: int) -> None:
        self.parts -= parts
        self.first_at += parts * self.step_s
        self.void_at += parts * self.step_s


class Slots:
    """What was granted and is not used yet, in order of time."""

    def __init__(self) -> None:
        self.owed = 0  # parts that went without a slot: the next slots pay for them
        self._spans: deque[_Span] = deque()
        self._offset = ClockOffset()
        self._most_at_once = 1

    def add(self, given: Grant, asked_at: float, answered_at: float) -> None:
        """Keep what was granted between these two moments."""
        self._offset.learn(asked_at, given.now_s, answered_at)
        rate = given.rate
        if not rate.parts_per_s or not given.parts:
            return
        self._most_at_once = int(rate.most_at_once)
        begins = given.starts_at_s + self._offset.late_s
        void = given.starts_at_s + rate.life_s + self._offset.early_s
        span = _Span(
            first_at=begins,
            void_at=max(void, begins + _LEAST_LIFE_S),
            step_s=1 / rate.parts_per_s,
            parts=given.parts,
        )
        paid = min(self.owed, span.parts)
        self.owed -= paid
        span.skip(paid)
        self._spans.append(span)

    def held(self, now: float) -> int:
        """How many may still be used, now or later."""
        while self._spans:
            span = self._spans[0]
            late_s = now - span.void_at
            void = int(late_s / span.step_s) + 1 if late_s >= 0 else 0
            if void < span.parts:
                span.skip(void)
                break
            self._spans.popleft()
        return sum(span.parts for span in self._spans)

    def delay_s(self, parts: int, now: float) -> float | None:
        """
        How long until so many parts may go; None where too few slots are held.

        Of a message with more parts than a burst only a burst is waited for.
        """
        if self.held(now) < parts:
            return None
        ahead = min(parts, self._most_at_once) - 1
        for span in self._spans:
            if ahead < span.parts:
                return max(0.0, span.first_at + ahead * span.step_s - now)
            ahead -= span.parts
        return None

    def take(self, parts: int) -> None:
        """Use the oldest; what is missing is owed."""
        while parts and self._spans:
            span = self._spans[0]
            used = min(parts, span.parts)
            span.skip(used)
            parts -= used
            if not span.parts:
                self._spans.popleft()
        self.owed += parts

    def clear(self) -> None:
        """Forget all: they were those of another rate, or none counts any more."""
        self._spans.clear()
        self.owed = 0
