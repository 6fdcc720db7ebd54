"""What chance and the last digits of a number decide in the sandbox provider."""

import random
from enum import Enum

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.refusal import BUSY, OPTED_OUT, Refusal, unreachable


class Mishap(Enum):
    """What goes wrong between a request and its answer."""

    NONE = "none"
    RESET_BEFORE = "reset_before"  # nothing of the request was accepted
    RESET_AFTER = "reset_after"  # all was decided and recorded, no answer comes
    DRIP = "drip"  # the answer comes byte by byte


class Chance:
    """Draws by a ``Behaviour``; the same seed and questions get the same answers."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._random = random.Random(behaviour.seed)  # noqa: S311 (nothing secret)
        self._failed_attempts: dict[str, int] = {}
        self._behaviour = behaviour
        self._apply(behaviour)

    def change(self, behaviour: Behaviour) -> None:
        """Draw by this from now on; begins the sequence anew if the seed differs."""
        if behaviour.seed != self._behaviour.seed:
            self._random.seed(behaviour.seed)
        self._apply(behaviour)

    def _apply(self, it: Behaviour) -> None:
        self._behaviour = it
        self._permanent = unreachable(it.permanent_code)
        self._is_smooth = not (it.reset_rate or it.slow_drip_rate)
        rates = it.permanent_rate or it.optout_rate or it.transient_rate
        suffixes = it.permanent_suffix or it.optout_suffix or it.transient_suffix
        self._is_kind = not (rates or suffixes)

    def reset(self) -> None:
        """Forget how often a number with the transient suffix failed."""
        self._failed_attempts.clear()

    def latency_s(self) -> float:
        """Draw the time from a request to its answer, in seconds from 0."""
        it = self._behaviour
        if not it.jitter_ms:
            return it.latency_ms / 1000
        return max(0.0, self._random.gauss(it.latency_ms, it.jitter_ms) / 1000)

    def mishap(self) -> Mishap:
        """Draw what goes wrong with the answer to a request."""
        if self._is_smooth:
            return Mishap.NONE
        it, drawn = self._behaviour, self._random.random()
        if drawn < it.reset_rate / 2:
            return Mishap.RESET_BEFORE
        if drawn < it.reset_rate:
            return Mishap.RESET_AFTER
        if drawn < it.reset_rate + it.slow_drip_rate:
            return Mishap.DRIP
        return Mishap.NONE

    def misfortune(self, to: str) -> Refusal | None:
        """Decide why this recipient is refused now, or None: digits first, then luck."""
        if self._is_kind:
            return None
        return self._by_digits(to) or self._by_luck()

    def is_undelivered(self) -> bool:
        """Draw whether an accepted message never arrives."""
        rate = self._behaviour.undelivered_rate
        return rate > 0 and self._random.random() < rate

    def _by_digits(self, to: str) -> Refusal | None:
        it = self._behaviour
        if _ends(to, it.permanent_suffix):
            return self._permanent
        if _ends(to, it.optout_suffix):
            return OPTED_OUT
        if _ends(to, it.transient_suffix) and self._fails_again(to):
            return BUSY
        return None

    def _by_luck(self) -> Refusal | None:
        it, drawn = self._behaviour, self._random.random()
        if drawn < it.permanent_rate:
            return self._permanent
        if drawn < it.permanent_rate + it.optout_rate:
            return OPTED_OUT
        if drawn < it.permanent_rate + it.optout_rate + it.transient_rate:
            return BUSY
        return None

    def _fails_again(self, to: str) -> bool:
        failed = self._failed_attempts.get(to, 0)
        if failed >= self._behaviour.transient_attempts:
            return False
        self._failed_attempts[to] = failed + 1
        return True


def _ends(to: str, suffix: str) -> bool:
    return bool(suffix) and to.endswith(suffix)
