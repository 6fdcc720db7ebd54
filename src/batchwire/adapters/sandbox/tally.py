"""What the sandbox provider counts, and what ``GET /stats`` says of it."""

from collections.abc import Iterable

import msgspec


class Counts(msgspec.Struct, kw_only=True):
    """
    Running counts since the start or the last reset.

    Requests are counted by ``requests`` (those that submit, whatever became of them),
    ``bad_requests``, ``refused`` (401, or 503 while down), ``resets`` and ``dripped``;
    everything else counts messages. Moments are Unix seconds.
    """

    requests: int = 0
    bad_requests: int = 0
    refused: int = 0
    resets: int = 0
    dripped: int = 0
    accepted: int = 0
    duplicates: int = 0  # answered again by key, not accepted again
    throttled: int = 0
    failed_permanent: int = 0  # opted out included
    opted_out: int = 0
    failed_transient: int = 0
    receipts_sent: int = 0
    receipts_lost: int = 0  # the receiver refused them, or too many waited
    repeated_recipients: int = 0  # accepted more than once
    first_accepted_at: float | None = None
    last_accepted_at: float | None = None


class Stats(Counts, kw_only=True):
    """Counts at one moment, with what follows from them."""

    distinct_recipients: int
    accepted_per_s: float  # from the first acceptance to the last
    recipients: dict[str, int] | msgspec.UnsetType = msgspec.UNSET


class Tally:
    """The counts, and how often each recipient was accepted."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin again at nothing."""
        self.counts = Counts()
        self._recipients: dict[str, int] = {}

    def count_accepted(self, at: float) -> None:
        """Count an acceptance at this moment, in Unix seconds."""
        counts = self.counts
        counts.accepted += 1
        counts.last_accepted_at = at
        if counts.first_accepted_at is None:
            counts.first_accepted_at = at

    def count_recipient(self, to: str) -> None:
        """Count an acceptance for this number."""
        before = self._recipients.get(to, 0)
        self._recipients[to] = before + 1
        if before == 1:
            self.counts.repeated_recipients += 1

    def stats(self, *, of: Iterable[str] = (), of_everyone: bool = False) -> Stats:
        """
        Freeze the counts.

        ``recipients`` is set where asked for: how often each of these numbers, or each
        number at all, was accepted.
        """
        counts = self.counts
        asked = {to: self._recipients.get(to, 0) for to in of}
        if of_everyone:
            asked = dict(self._recipients)
        return Stats(
            **msgspec.structs.asdict(counts),
            distinct_recipients=len(self._recipients),
            accepted_per_s=_rate(counts),
            recipients=asked if asked or of_everyone else msgspec.UNSET,
        )


def _rate(counts: Counts) -> float:
    if counts.first_accepted_at is None or counts.last_accepted_at is None:
        return 0.0
    elapsed_s = counts.last_accepted_at - counts.first_accepted_at
    return round(counts.accepted / elapsed_s, 1) if elapsed_s > 0 else 0.0
