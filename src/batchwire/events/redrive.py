"""Dead letters back to their topics: in portions, at a rate, in order per batch."""

import msgspec
import structlog

from batchwire.domain.metric_list import DEAD_LETTERS_REDRIVEN
from batchwire.ports.clock import Clock
from batchwire.ports.dead_letters import DeadLetters, Filter, Portion, Redrive
from batchwire.ports.metrics import Metrics

_MOST_AT_ONCE = 200  # records in memory, and in one transaction

log = structlog.get_logger()


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the letters, by id; see ``ports.dead_letters.Portion``."""

    sent: list[int]
    quarantined: list[int]
    held: list[int]

    @property
    def is_complete(self) -> bool:
        """Whether all that were meant have gone."""
        return not (self.quarantined or self.held)


class Redriver:
    """Redrives and discards for an operator, and says so in log and metrics."""

    def __init__(
        self, letters: DeadLetters, clock: Clock, metrics: Metrics, max_replays: int
    ) -> None:
        self._letters = letters
        self._clock = clock
        self._metrics = metrics
        self._max_replays = max_replays

    async def redrive(
        self,
        wanted: Filter,
        by: str,
        *,
        limit: int = 0,
        rate_per_s: float = 0.0,
        is_dry_run: bool = False,
    ) -> Redriven:
        """
        Redrive those that fit, oldest first; 0 is no limit, and no rate.

        Cancelled, what has gone has gone, whole portions of it; the same again goes on.

        Raises:
            StoreError: the portion was not redriven, those before it were.

        """
        done = Redriven(sent=[], quarantined=[], held=[])
        after, began_at = 0, self._clock.monotonic()
        while not limit or len(done.sent) < limit:
            most = _MOST_AT_ONCE if not rate_per_s else max(1, int(rate_per_s))
            left = limit - len(done.sent) if limit else most
            how = Redrive(
                by=by,
                most_replays=self._max_replays,
                most=min(most, left, _MOST_AT_ONCE),
                after=after,
                is_dry_run=is_dry_run,
            )
            if rate_per_s and not is_dry_run:
                due_at = began_at + len(done.sent) / rate_per_s
                await self._clock.sleep(max(0.0, due_at - self._clock.monotonic()))
            portion = await self._letters.redrive(wanted, how)
            if not portion.last:
                break
            after = portion.last
            done.sent.extend(portion.sent)
            done.quarantined.extend(portion.quarantined)
            done.held.extend(portion.held)
            if not is_dry_run:
                self._tell(portion, by)
        return done

    async def discard(self, wanted: Filter, by: str, reason: str) -> list[int]:
        """Discard those that fit; returns their ids."""
        gone: list[int] = []
        while some := await self._letters.discard(wanted, by, reason):
            log.warning("dead_letters_discarded", by=by, reason=reason, letters=some)
            gone += some
        return gone

    def _tell(self, portion: Portion, by: str) -> None:
        kinds = {"sent": portion.sent, "quarantined": portion.quarantined}
        for outcome, ids in kinds.items():
            if ids:
                self._metrics.add(DEAD_LETTERS_REDRIVEN, len(ids), outcome=outcome)
        if portion.sent:
            log.info("dead_letters_redriven", by=by, letters=portion.sent)
