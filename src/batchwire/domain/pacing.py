"""
How fast, and whether at all: rate in parts per second, flow control, circuit.

Pure arithmetic on a monotonic clock's seconds, handed in as ``now``.
"""

from collections.abc import Mapping
from types import MappingProxyType

MIN_RATE = 1.0
LONGEST_BACKOFF_S = 300
_CUT = 0.7  # of the measured rate, when a provider throttles
_TOLERATED = 0.05  # refused for the first time, of what was sent
_MOSTLY = 0.67  # refused, of what was sent
_RECOVERY = 1.1  # a second with hardly any throttling
_FREE_AGAIN = 4.0  # times the rate of the last cut
_MEASURED_S = 0.5  # a window that is younger says little
_MOST_HOLD_S = 300.0  # however long a provider asks us to wait
_TRIED = 3  # requests of one trial: who always fails must not end each of them
_FORGOTTEN_S = 300.0  # more than the longest delay without a trial: another outage

_Who = tuple[str, int]  # batch, position


class Pace:
    """
    A token bucket of parts that shrinks when the provider throttles.

    ``rate`` 0 is unlimited. A message goes when there is at least one token and takes
    one per part, so that the rate is kept over time, in parts.
    """

    def __init__(self, rate: float = 0.0, burst: float = 0.0) -> None:
        self.rate = rate
        self._burst = burst
        self._limit = rate
        self._cut_to = 0.0  # the limit of the last cut; 0: nothing is cut
        self._cut_at = 0.0
        self._tokens = self._most()
        self._filled_at = 0.0
        self._hold_until = 0.0
        self._calm_since = 0.0  # the last cut or more, its wait, or the last recovery
        self._measured = 0.0  # parts per second of the window before
        self._window, self._before = _Window(0.0), _Window(0.0)

    @property
    def is_free(self) -> bool:
        """Whether nothing limits and nothing needs to be counted."""
        return not self._limit and not self._hold_until

    @property
    def limit(self) -> float:
        """Parts per second that may go now, 0 where nothing limits."""
        return self._limit

    @property
    def is_throttled(self) -> bool:
        """Whether the provider's flow control holds us, or holds us below the rate."""
        return bool(self._cut_to or self._hold_until)

    def delay_s(self, now: float) -> float:
        """How long until the next message may go."""
        self._recover(now)
        if self._hold_until:
            return self._hold_until - now
        if not self._limit:
            return 0.0
        gained = (now - self._filled_at) * self._limit
        self._tokens = min(self._most(), self._tokens + gained)
        self._filled_at = now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._limit

    def take(self, parts: int, now: float) -> None:
        """Count parts that go now."""
        self._tokens -= parts
        self.measure(parts, now)

    def measure(self, parts: int, now: float) -> None:
        """Count parts that went: a provider that throttles gets less than they were."""
        self._recover(now)
        elapsed_s = now - self._window.since
        if elapsed_s > 1:
            self._measured = self._window.sent / elapsed_s
            self._before, self._window = self._window, _Window(now)
        self._window.sent += parts

    def change(self, rate: float, burst: float) -> None:
        """Keep to another rate from now on; what a provider throttled stays slower."""
        self.rate, self._burst = rate, burst
        if not self._cut_to or (rate and rate < self._limit):
            self._limit, self._cut_to = rate, 0.0
        self._tokens = min(self._tokens, self._most())

    def throttled(
        self, now: float, retry_after_s: float | None, whose: Mapping[_Who, int]
    ) -> None:
        """
        Slow down where the provider says that we are too fast.

        ``whose``: who was refused, with their parts. A few in a hundred, or one alone
        again and again, are no sign of our rate.
        """
        measured = max(self._measured, self._window.sent)
        elapsed_s = now - self._window.since
        if elapsed_s > _MEASURED_S or not self._measured:
            measured = self._window.sent / max(elapsed_s, 0.1)
        hold_until = now + min(retry_after_s or 0.0, _MOST_HOLD_S)
        self._hold_until = max(self._hold_until, hold_until)
        is_held = self._hold_until > now
        for who, parts in whose.items():
            self._window.refuse(who, parts, self._before)
        tolerated = 0.0 if is_held else _TOLERATED  # each costs all others the wait
        is_much = self._window.refused_much(self._before, tolerated)
        if is_much or is_held:
            self._calm_since = max(now, self._hold_until)
        if is_held and self._window.since <= now:  # the next begins after the wait
            self._measured = measured
            self._before, self._window = self._window, _Window(self._hold_until)
        if not is_much or (self._cut_to and now - self._cut_at < 1):
            return  # so soon after a cut it may be about what was in flight then
        least = min(MIN_RATE, self.rate * _CUT or MIN_RATE)
        known = filter(None, (measured, self._limit))
        self._limit = self._cut_to = max(least, min(known, default=0.0) * _CUT)
        self._cut_at = self._filled_at = now
        self._tokens = min(self._tokens, 1.0)

    def _recover(self, now: float) -> None:
        if now >= self._hold_until:
            self._hold_until = 0.0
        if not self._cut_to or now - self._calm_since < 1:
            return
        self._calm_since = now
        self._limit *= _RECOVERY
        if self._limit >= (self.rate or self._cut_to * _FREE_AGAIN):
            self._limit, self._cut_to = self.rate, 0.0
            self._tokens = min(self._tokens, self._most())

    def _most(self) -> float:
        usual = self._limit / 10
        if self._cut_to and self._burst:
            return max(1.0, min(self._burst, usual))
        return max(1.0, self._burst or usual)


class _Window:
    """What went, and what was refused, in a second or so."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.sent = 0  # parts
        self.refusals = 0  # parts
        self.refused: set[_Who] = set()
        self.fresh = 0  # of them, who were not refused in the window before
        self.fresh_parts = 0

    def refuse(self, who: _Who, parts: int, before: "_Window") -> None:
        """Count a refusal."""
        self.refusals += parts
        if who not in self.refused and who not in before.refused:
            self.fresh += 1
            self.fresh_parts += parts
        self.refused.add(who)

    def refused_much(self, before: "_Window", tolerated: float) -> bool:
        """
        Whether so much was, the window before included, that we must be too fast.

        ``tolerated``: the share of what was sent that is not, of fresh refusals.
        """
        sent = before.sent + self.sent
        if before.refusals + self.refusals > _MOSTLY * sent:
            return True
        fresh_parts = before.fresh_parts + self.fresh_parts
        return before.fresh + self.fresh > 1 and fresh_parts > tolerated * sent


class Circuit:
    """
    Opens after failures in a row; then a trial now and then, ever further apart.

    In a row are those of different recipients, however often each fails. So few that
    they would use up their attempts first open it when one of them fails again and
    nobody was accepted in between; who failed while others were is no sign of anything.
    For ``patience_s`` after it opened no failure is an attempt.
    """

    def __init__(self, failures: int, max_delay_s: float, patience_s: float) -> None:
        self._most = failures
        self._max_delay_s = max_delay_s
        self._patience_s = patience_s
        # (batch, position) of who failed since somebody was accepted: at which attempt
        self.failing: dict[tuple[str, int], int] = {}
        self._was_accepted = False  # anybody, ever: else all may fail for the outage
        self._failed_in_a_row = 0
        self._failed_at = 0.0
        self._opened = 0  # times in a row
        self._opened_at = 0.0  # the first of them
        self._tried = 0  # trials, since it opened last
        self._refused_by = ""  # the code of the last refusals in a row
        self._refused_alike = 0  # so many had it
        self._asked: set[str] = set()
        self.is_proven = False  # the last answer says that the provider is there
        self.is_accepting = False  # it was an acceptance: one more says nothing new
        self.is_open = False
        self.is_tripped = False  # open, or on trial

    def succeeded(self, *, is_accepted: bool = True) -> None:
        """Count an answer: whatever it says, the provider is there."""
        self._failed_in_a_row = self._opened = self._tried = 0
        if is_accepted:
            self.failing.clear()
            self._was_accepted = True
            self._refused_alike = 0
        self.is_proven, self.is_accepting = True, is_accepted
        self.is_open = self.is_tripped = False

    def failed(
        self,
        now: float,
        attempts: Mapping[tuple[str, int], int] = MappingProxyType({}),
        *,
        has_others: bool = False,
    ) -> bool:
        """
        Count a failure; True where it opens the circuit.

        ``attempts``: whose failure it is (batch, position), and which attempt that was,
        if it may be their own fault: then a trial goes on to others where it
        ``has_others``, to three in all.
        """
        self.is_proven = self.is_accepting = False
        if not attempts or attempts.keys() - self.failing.keys():
            self._failed_in_a_row += 1
        fails_again = any(
            self.failing[who] == 1 or not self._was_accepted
            for who in self.failing.keys() & attempts.keys()
        )
        for who, attempt in attempts.items():
            self.failing.setdefault(who, attempt)
        if now - self._failed_at > self._max_delay_s + _FORGOTTEN_S:
            self._opened_at = now
        self._failed_at = now
        if self.is_open:
            return False
        if self.is_tripped:
            self._tried += 1
            if attempts and has_others and self._tried < _TRIED:
                return False
        elif self._failed_in_a_row < self._most and not fails_again:
            return False
        self.trip(now)
        self.is_open = True
        self._opened += 1
        self._tried = 0
        return True

    def refuses_alike(self, code: str) -> bool:
        """
        Count a refusal by a code that nobody has explained.

        True, once for each code, where as many as failures open it had the same in a
        row: what is said to everybody blames us rather than them.
        """
        self._refused_alike = 1 + (
            self._refused_alike if code == self._refused_by else 0
        )
        self._refused_by = code
        if self._refused_alike < self._most or code in self._asked:
            return False
        self._asked.add(code)
        return True

    def trip(self, now: float) -> None:
        """Go on with a trial: the provider is away, or may be."""
        if not self.is_tripped:
            self._opened_at = now
        self.is_tripped = True
        self.is_proven = self.is_accepting = False

    def try_again(self) -> None:
        """Let a trial through."""
        self.is_open = False

    def is_patient(self, now: float) -> bool:
        """Whether what fails now is no attempt."""
        return self.is_tripped and now - self._opened_at < self._patience_s

    @property
    def delay_s(self) -> float:
        """How long to wait before the next trial."""
        return float(min(self._max_delay_s, 2 ** min(self._opened - 1, 16)))


def backoff_s(attempt: int, jitter: float, asked_s: float = 0.0) -> float:
    """
    Wait before a further attempt after a transient failure; jitter 0 … 1.

    ``asked_s``: by the provider, which is kept for as long as our own longest wait.
    """
    usual_s = min(LONGEST_BACKOFF_S, 2.0 ** (attempt - 1)) * (0.5 + 0.5 * jitter)
    return max(usual_s, min(asked_s, LONGEST_BACKOFF_S))
