"""The rate limit of the sandbox provider."""


class TokenBucket:
    """
    Parts per second with a burst; time is handed in, in seconds that only grow.

    A message passes when its parts, or a whole burst where it has more, are there; what
    it takes beyond is owed by those after it. So a message larger than the burst passes
    too, and the rate holds.
    """

    def __init__(self, rate_per_s: float, burst: float, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._at_s = now_s

    def take(self, parts: int, now_s: float) -> float:
        """Take these parts and return 0, or take none and return the wait in s."""
        refilled = self._tokens + (now_s - self._at_s) * self._rate_per_s
        self._tokens = min(self._burst, refilled)
        self._at_s = now_s
        missing = min(parts, self._burst) - self._tokens
        if missing > 0:
            return missing / self._rate_per_s
        self._tokens -= parts
        return 0.0
