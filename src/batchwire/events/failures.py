"""What becomes of an event that cannot be handled: again, later, or a dead letter."""

import random
from collections import deque
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from batchwire.domain.dead_letter import Disposition
from batchwire.errors import (
    BatchConflict,
    BatchwireError,
    DeadLettersExceeded,
    IllegalOperation,
    MessageError,
    StoreDamaged,
    StoreError,
    UnknownBatch,
    UnknownSchema,
    UnsupportedType,
)
from batchwire.events.lanes import Item
from batchwire.events.settings import BatchEventServiceConfig
from batchwire.ports.clock import Clock
from batchwire.ports.inbox import Bury, Park

_PARKED_LEAST_S, _PARKED_MOST_S = 1.0, 300.0
_LAST = 1_000  # events that the share of dead letters is taken of

_BY_ERROR: tuple[tuple[type[BatchwireError], Disposition], ...] = (
    (UnsupportedType, Disposition.UNSUPPORTED_TYPE),
    (MessageError, Disposition.MALFORMED),
    (BatchConflict, Disposition.CONFLICT),
    (IllegalOperation, Disposition.ILLEGAL_TRANSITION),
    (UnknownBatch, Disposition.UNKNOWN_BATCH),
)

_UNUSABLE = (StoreDamaged, UnknownSchema)

log = structlog.get_logger()


class Failures:
    """
    Decides by the settings; counts the dead letters.

    Raises ``DeadLettersExceeded`` where a dead letter would be one too many.
    """

    def __init__(self, config: BatchEventServiceConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._limit = _Limit(config.dead_share, config.dead_in_a_row)

    def handled(self) -> None:
        """Count an event that was handled."""
        self._limit.count(is_dead=False)

    def of_error(self, item: Item, error: Exception) -> Bury | Park | float:
        """
        Decide on an event whose handler raised; a number is to try again in so many s.

        A bug of a handler (an error that is not ours) counts as one that may pass; so
        do a commit in doubt, since a repeat has no second effect, and what a database
        says that we do not know.

        Raises:
            StoreError: the database cannot be used at all; the event is not to blame.

        """
        if isinstance(error, BatchwireError) and not _may_pass(error):
            if isinstance(error, _UNUSABLE):
                raise error
            return self.bury(item, _disposition_of(error), str(error))
        item.attempts += 1
        log.warning(
            "consume message failed",
            **_where(item),
            attempt=item.attempts,
            error=str(error),
        )
        if item.parked_id:
            return self._parked_again(item, error)
        config = self._config
        if self.has_no_retries(item) and config.consumer.force_commit:
            return self._park(_PARKED_LEAST_S, str(error), attempts=0)
        # The exponent is bounded: a partition that waits may wait for days.
        most = config.retry_least_s * 2 ** min(item.attempts, 30)
        return random.uniform(0, min(most, config.retry_most_s))  # noqa: S311 - jitter

    def has_no_retries(self, item: Item) -> bool:
        """Whether an event in its partition was tried as often as the settings say."""
        return item.attempts > self._config.retries

    def of_unreadable(self, item: Item) -> Bury:
        """Decide on a record that cannot be read: no retry mends it."""
        error = item.received.error or MessageError("it cannot be read")
        return self.bury(item, _disposition_of(error), str(error))

    def of_unknown_batch(self, item: Item) -> Bury | Park:
        """Decide on an operation that came before its batch, or without one."""
        now_s = self._clock.now().timestamp()
        waited_s = now_s - (item.first_at_s or now_s)
        if waited_s >= self._config.unknown_batch_grace_s:
            problem = "there is no such batch, and none came while this waited"
            return self.bury(item, Disposition.UNKNOWN_BATCH, problem)
        return self._park(_PARKED_LEAST_S, "waits for its batch", item.attempts)

    def of_conflict(self, item: Item) -> Bury:
        """Decide on what others say of a batch that is ours to execute."""
        problem = "the batch is one of ours: nobody else says where it is"
        return self.bury(item, Disposition.CONFLICT, problem)

    def bury(self, item: Item, disposition: Disposition, message: str) -> Bury:
        """Make it a dead letter."""
        message = message.replace("\0", "")  # which PostgreSQL does not take
        self._limit.count(is_dead=True)
        log.warning(
            "consume message failed",
            **_where(item),
            disposition=disposition,
            error=message,
        )
        topic = self._config.consumer.topic
        return Bury(
            disposition=disposition,
            message=message,
            topic=topic,
            dead_letter_topic=self._config.dead_letters_of(topic),
            deliveries=item.attempts + 1,
        )

    def _parked_again(self, item: Item, error: Exception) -> Bury | Park:
        config = self._config
        if item.attempts > config.parked_retries and config.consumer.force_commit:
            return self.bury(item, Disposition.RETRIES_EXHAUSTED, str(error))
        delay_s = _PARKED_LEAST_S * 2 ** min(item.attempts, 30)
        return self._park(min(delay_s, _PARKED_MOST_S), str(error), item.attempts)

    def _park(self, delay_s: float, reason: str, attempts: int) -> Park:
        due_at = self._clock.now() + timedelta(seconds=delay_s)
        return Park(due_at, reason.replace("\0", ""), attempts)


def _may_pass(error: BatchwireError) -> bool:
    if isinstance(error, StoreError):
        return not isinstance(error, _UNUSABLE)
    return error.retryable


def _where(item: Item) -> dict[str, Any]:
    """Name the event as a person finds it: its batch, its type, its place."""
    received = item.received
    place, decoded = received.record.place, received.decoded
    named: dict[str, Any] = {"batch_id": received.batch_id}
    if decoded is not None:
        named["message_type"] = decoded.message.TYPE.value
    return named | (msgspec.structs.asdict(place) if place else {})


def _disposition_of(error: BatchwireError) -> Disposition:
    for kind, disposition in _BY_ERROR:
        if isinstance(error, kind):
            return disposition
    return Disposition.RETRIES_EXHAUSTED


class _Limit:
    """Stops a consumer that would drain the topic into the dead letters."""

    def __init__(self, share: float, in_a_row: int) -> None:
        self._most = max(1, int(share * _LAST))
        self._most_in_a_row = in_a_row
        self._last: deque[bool] = deque(maxlen=_LAST)
        self._dead = 0
        self._row = 0

    def count(self, *, is_dead: bool) -> None:
        """Count an event; raises where it is one dead letter too many."""
        if len(self._last) == _LAST:
            self._dead -= self._last[0]
        self._last.append(is_dead)
        self._dead += is_dead
        self._row = self._row + 1 if is_dead else 0
        if self._row >= self._most_in_a_row:
            raise DeadLettersExceeded(f"{self._row} events in a row")
        if is_dead and self._dead > self._most:
            raise DeadLettersExceeded(f"{self._dead} of the last {_LAST} events")
