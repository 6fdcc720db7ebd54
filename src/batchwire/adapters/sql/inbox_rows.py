"""What was consumed: each event once, in the transaction of its effect."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    exists,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from batchwire.adapters.sql import (
    dead_letter_rows,
    outbox_rows,
    parked_rows,
    redrive_rows,
)
from batchwire.adapters.sql.among import IsAmong
from batchwire.adapters.sql.bulk import Bulk, Row
from batchwire.adapters.sql.observed_rows import Logbook
from batchwire.adapters.sql.tables import (
    dead_letters,
    inbox,
    parked,
    repeats,
)
from batchwire.adapters.sql.times import millis
from batchwire.domain import observed
from batchwire.domain.dead_letter import DeadLetter
from batchwire.domain.events import EventType, Fact
from batchwire.domain.observed import ObservedState
from batchwire.messages import dead_letter
from batchwire.ports.bus import Outgoing
from batchwire.ports.inbox import (
    Announce,
    Applied,
    Arrival,
    Bury,
    Effect,
    Handled,
    Note,
    Observe,
    Park,
)

_handled = Bulk(insert(inbox), ("consumer", "event_id", "at"))
_known = select(inbox.c.event_id).where(
    inbox.c.consumer == bindparam("consumer"), IsAmong(inbox.c.event_id, "event_ids")
)
_waits_some = select(
    exists(select(parked.c.id)), exists(select(dead_letters.c.id))
)  # mostly there is none, and nothing more to ask


class MustLook(Exception):
    """An event was here before, or may have been. Nothing was written."""


def apply(
    conn: Connection,
    work: Sequence[tuple[Arrival, Effect]],
    now: datetime,
    *,
    looks_first: bool,
) -> list[Applied]:
    """
    Write the effects in their order; see the port.

    Where repeats are rare, asking for them first costs more than doing it again.

    Raises:
        MustLook: there is one, or an event whose effect leaves no row in the inbox
            that would tell, and ``looks_first`` is false.

    """
    return _Group(conn, work, now).apply(looks_first=looks_first)


class _Group:
    """One transaction's share of consumed events."""

    def __init__(
        self, conn: Connection, work: Sequence[tuple[Arrival, Effect]], now: datetime
    ) -> None:
        self._conn = conn
        self._work = work
        self._now = now
        self._consumer = work[0][0].consumer
        self._seen: set[str] = set()
        self._parked_events: set[str] = set()
        self._parked_batches: set[str] = set()
        observing = {
            arrival.batch_id
            for arrival, effect in work
            if isinstance(effect, Observe | Announce | Note)
        }
        self._logbook = Logbook(conn, observing, now)
        self._handled: list[Row] = []
        self._at_ms = millis(now)

    def apply(self, *, looks_first: bool) -> list[Applied]:
        self._look(looks_first=looks_first)
        results = [self._one(arrival, effect) for arrival, effect in self._work]
        repeated = results.count(Applied.DUPLICATE)
        if not looks_first and len(self._handled) + repeated < len(results):
            raise MustLook
        self._logbook.write()
        try:
            _handled.execute(self._conn, self._handled)
        except IntegrityError as error:
            if looks_first:
                raise
            raise MustLook from error
        if repeated:
            _count_repeats(self._conn, self._consumer, repeated)
        return results

    def _look(self, *, looks_first: bool) -> None:
        """Read what is known of the events and batches before."""
        is_parked, is_dead = self._conn.execute(_waits_some).one()
        event_ids = [arrival.event_id for arrival, _ in self._work]
        if looks_first:
            wanted = {"consumer": self._consumer, "event_ids": event_ids}
            self._seen.update(self._conn.execute(_known, wanted).scalars())
        if is_dead:
            letters = dead_letter_rows.waiting_events
            self._seen |= letters(self._conn, self._consumer, event_ids)
        if is_parked:
            batch_ids = {arrival.batch_id for arrival, _ in self._work}
            waiting = parked_rows.of_batches(self._conn, self._consumer, batch_ids)
            self._parked_events = {event_id for event_id, _ in waiting}
            self._parked_batches = {batch_id for _, batch_id in waiting}

    def _one(self, arrival: Arrival, effect: Effect) -> Applied:
        if arrival.parked_id:
            if not self._is_still_parked(arrival):
                return Applied.DUPLICATE
        elif self._is_known(arrival):
            return Applied.DUPLICATE
        elif self._must_wait(arrival, effect):
            self._park(arrival, Park(due_at=self._now, reason="waits behind others"))
            return Applied.PARKED
        return self._write(arrival, effect)

    def _must_wait(self, arrival: Arrival, effect: Effect) -> bool:
        """Whether parked events have their turn first."""
        if arrival.batch_id not in self._parked_batches:
            return False
        match effect:
            case Handled():  # it is done already
                return False
            case Observe() | Announce():  # what makes the batch is waited for
                return self._logbook.state(arrival.batch_id) is not None
            case Note() | Park() | Bury():
                return True

    def _write(self, arrival: Arrival, effect: Effect) -> Applied:
        match effect:
            case Observe() | Announce() | Note():
                return self._observe(arrival, effect)
            case Handled():
                return self._finish(arrival)
            case Park():
                self._park(arrival, effect)
                return Applied.DONE
            case Bury():
                self._bury(arrival, effect)
                return self._finish(arrival, is_handled=False)

    def _observe(self, arrival: Arrival, effect: Observe | Announce | Note) -> Applied:
        is_ours = arrival.batch_id in self._logbook.ours
        state = self._logbook.state(arrival.batch_id)
        if isinstance(effect, Note) and (is_ours or state is None):
            # One that became ours since is operated on next time.
            return Applied.UNKNOWN
        if is_ours:
            return Applied.CONFLICT
        fact = _fact(state or ObservedState(), effect)
        self._logbook.append(arrival.batch_id, fact)
        result = self._finish(arrival)
        return Applied.STALE if fact.data.get("stale") else result

    def _finish(self, arrival: Arrival, *, is_handled: bool = True) -> Applied:
        """Remember the event; a dead letter is remembered by its own row."""
        self._seen.add(arrival.event_id)
        if is_handled:
            self._handled.append((self._consumer, arrival.event_id, self._at_ms))
        if arrival.parked_id:
            parked_rows.leave(self._conn, arrival.parked_id)
        return Applied.DONE

    def _is_known(self, arrival: Arrival) -> bool:
        return arrival.event_id in self._seen or arrival.event_id in self._parked_events

    def _is_still_parked(self, arrival: Arrival) -> bool:
        return (
            arrival.event_id in self._parked_events
            and arrival.event_id not in self._seen
        )

    def _park(self, arrival: Arrival, effect: Park) -> None:
        parked_rows.keep(self._conn, arrival, effect, self._now)
        if not arrival.parked_id:
            self._parked_events.add(arrival.event_id)
            self._parked_batches.add(arrival.batch_id)

    def _bury(self, arrival: Arrival, effect: Bury) -> None:
        letter = DeadLetter(
            event_id=arrival.event_id,
            batch_id=arrival.batch_id,
            disposition=effect.disposition,
            message=effect.message,
            record=arrival.record,
            topic=effect.topic,
            group=self._consumer,
            deliveries=effect.deliveries,
            failed_at=self._now,
        )
        kept = dead_letter_rows.keep(self._conn, letter)
        copy = Outgoing(
            topic=effect.dead_letter_topic, record=dead_letter.to_record(kept)
        )
        outbox_rows.add(self._conn, [copy], self._now)


def _count_repeats(conn: Connection, consumer: str, count: int) -> None:
    here = repeats.c.consumer == consumer
    more = update(repeats).where(here).values(count=repeats.c.count + count)
    if not conn.execute(more).rowcount:
        conn.execute(insert(repeats), {"consumer": consumer, "count": count})


def count_repeats(conn: Connection, consumer: str) -> int:
    """Count the events that were here before, since ever."""
    query = select(repeats.c.count).where(repeats.c.consumer == consumer)
    return conn.execute(query).scalar() or 0


def _fact(state: ObservedState, effect: Observe | Announce | Note) -> Fact:
    match effect:
        case Observe(report):
            return observed.reported(state, report)
        case Announce(announcement):
            return observed.announced(state, announcement)
        case Note(data):
            return Fact(type=EventType.OPERATION, data=data)


def purge(conn: Connection, before: datetime, most: int) -> int:
    """Forget events handled before then, the oldest first, and letters as old."""
    redrive_rows.purge(conn, before, most)
    old = (
        select(inbox.c.consumer, inbox.c.event_id)
        .where(inbox.c.at < millis(before))
        .order_by(inbox.c.at)
        .limit(most)
    )
    rows = conn.execute(old).all()
    if rows:
        gone = delete(inbox).where(
            inbox.c.consumer == bindparam("c"), inbox.c.event_id == bindparam("e")
        )
        conn.execute(gone, [{"c": c, "e": e} for c, e in rows])
    return len(rows)
