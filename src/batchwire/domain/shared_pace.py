"""
``SharedPace``: our own pace, within a rate that all processes share.

The own one slows down where a provider throttles; it never goes above the shared rate,
because a part needs a slot of that too. Pure arithmetic, as ``Pace``.
"""

from collections.abc import Callable, Mapping
from math import inf

from batchwire.domain.pacing import Pace
from batchwire.domain.rationing import Ask, Grant, Rate
from batchwire.domain.slots import Slots

_ASK_S = 0.02  # until a question for slots is answered
_USE_S = 0.04  # from an answer to the use of its first slot
_MOST_LEAD_S = 0.5
_SEEN_S = 1.5  # a limit that was met is told for so long: longer than any cycle


class SharedPace:
    """
    Paces one provider, or one batch, in this process.

    Until ``set`` says how it is shared, nothing goes. ``on_want`` is called when slots
    are wanted; then ``ask`` says how many.
    """

    def __init__(self, name: str, rate: Rate, on_want: Callable[[], None]) -> None:
        self.name = name
        self.own = rate  # that of the settings
        self._rate = rate
        self._pace = Pace(rate.parts_per_s, rate.burst)
        self._slots = Slots()
        self._on_want = on_want
        self.is_free = False  # nothing limits, and nothing needs to be counted
        self.uncounted = 0  # messages that went while it was, since ``measure``
        self._is_known = False
        self._is_shared = False
        self._least = self._most = 0  # parts that are wanted now
        self._wait_until = 0.0
        self._lead_s = _USE_S
        self._limited_at = -_SEEN_S

    @property
    def parts_per_s(self) -> float:
        """The rate that holds; 0 is no limit."""
        return self._rate.parts_per_s

    @property
    def is_throttled(self) -> bool:
        """Whether the provider's flow control holds us below the rate."""
        return self._pace.is_throttled

    @property
    def is_wanting(self) -> bool:
        """Whether slots are wanted, now or after the wait that was told."""
        return bool(self._least)

    def set(self, rate: Rate | None, *, is_shared: bool) -> None:
        """Take over the rate that holds from now on; None is that of the settings."""
        rate = rate or self.own
        self._is_known, self._is_shared = True, is_shared
        if rate != self._rate:
            self._rate = rate
            self._pace.change(rate.parts_per_s, rate.burst)
            self._slots.clear()  # and what was to be waited for: of the former rate
            self._wait_until = 0.0
        self.is_free = self._pace.is_free

    def delay_s(self, now: float, parts: int = 1, waiting: int = 1) -> float:
        """
        How long until ``parts`` may go; never longer than it makes sense to wait.

        ``waiting``: how many wait in all, so that slots are reserved for no more.
        """
        delay_s = self._delay_s(now, parts, waiting) if self._is_known else _ASK_S
        self.is_free = self._is_known and self._pace.is_free
        if delay_s > 0 and self._rate.parts_per_s:
            self._limited_at = now
        return delay_s

    def is_limiting(self, now: float) -> bool:
        """Whether the rate was waited for a moment ago."""
        return bool(self._rate.parts_per_s) and now - self._limited_at < _SEEN_S

    def measure(self, now: float) -> None:
        """Count what went while nothing limited, a part each; a few times a second."""
        self._pace.measure(self.uncounted, now)
        self.uncounted = 0

    def allowed(self, seconds: float) -> float:
        """How many parts may go in so many seconds; infinite where nothing limits."""
        limit = self._pace.limit
        return limit * seconds + self._rate.burst if limit else inf

    def take(self, parts: int, now: float) -> None:
        """Count parts that go now."""
        self._pace.take(parts, now)
        if self._is_shared and self._rate.parts_per_s:
            self._slots.take(parts)

    def throttled(
        self,
        now: float,
        retry_after_s: float | None,
        whose: Mapping[tuple[str, int], int],
    ) -> None:
        """Slow down: the provider said that we are too fast; as ``Pace`` has it."""
        self.measure(now)
        self._pace.throttled(now, retry_after_s, whose)
        self.is_free = False

    def ask(self, now: float) -> Ask | None:
        """Say what is wanted; None where nothing is, or where it is too early."""
        if not self._least or now < self._wait_until:
            return None
        least, most = self._least + self._slots.owed, self._most + self._slots.owed
        return Ask(
            name=self.name,
            least=least,
            most=max(least, most),
            rate=self.own,
            lead_s=self._lead_s,
        )

    def given(self, grant: Grant, asked_at: float, answered_at: float) -> None:
        """Keep what was granted to ``ask``."""
        self.set(grant.rate, is_shared=True)
        self._slots.add(grant, asked_at, answered_at)
        self._wait_until = answered_at + grant.wait_s
        self._lead_s = min(_MOST_LEAD_S, 2 * (answered_at - asked_at) + _USE_S)
        self._least = self._most = 0

    def _delay_s(self, now: float, parts: int, waiting: int) -> float:
        delay_s = self._pace.delay_s(now)
        if delay_s > 0 or not self._is_shared or not self._rate.parts_per_s:
            return delay_s
        reserve = min(max(parts, waiting), int(self._rate.most_at_once))
        missing = reserve - self._slots.held(now)
        found = self._slots.delay_s(parts, now)
        if found is None or missing > reserve // 2:
            self._least, self._most = parts, missing
            self._on_want()
        return _ASK_S if found is None else found
