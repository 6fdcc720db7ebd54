"""What was consumed: each event once, in the transaction of its effect."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from batchwire.adapters.sql import dead_letter_rows, redrive_rows
from batchwire.adapters.sql.among import among
from batchwire.adapters.sql.bulk import Bulk, Row
from batchwire.adapters.sql.observed_rows import Logbook
from batchwire.adapters.sql.record_rows import outbox_row, packed, unpacked
from batchwire.adapters.sql.tables import inbox, outbox, parked, repeats
from batchwire.adapters.sql.times import millis, moment
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
    Parked,
)

_MANY = 500  # values in one statement

_waiting = select(parked.c.event_id, parked.c.batch_id).where(
    parked.c.consumer == bindparam("consumer"),
    parked.c.batch_id.in_(bindparam("batch_ids", expanding=True)),
)
_handled = Bulk(insert(inbox), ("consumer", "event_id", "at"))
_unpark = delete(parked).where(parked.c.id == bindparam("parked_id"))
_again = (
    update(parked)
    .where(parked.c.id == bindparam("parked_id"))
    .values(
        attempts=bindparam("made"),
        due_at=bindparam("due"),
        reason=bindparam("why"),
    )
)


def apply(
    conn: Connection, work: Sequence[tuple[Arrival, Effect]], now: datetime
) -> list[Applied]:
    """Write the effects in their order; see the port."""
    return _Group(conn, work, now).apply()


class _Group:
    """One transaction's share of consumed events."""

    def __init__(
        self, conn: Connection, work: Sequence[tuple[Arrival, Effect]], now: datetime
    ) -> None:
        self._conn = conn
        self._work = work
        self._now = now
        self._consumer = work[0][0].consumer
        self._seen = _known_events(conn, self._consumer, [a.event_id for a, _ in work])
        waiting = _parked_of(conn, self._consumer, {a.batch_id for a, _ in work})
        self._parked_events = {event_id for event_id, _ in waiting}
        self._parked_batches = {batch_id for _, batch_id in waiting}
        self._logbook = Logbook(
            conn,
            {a.batch_id for a, e in work if isinstance(e, Observe | Announce | Note)},
        )
        self._handled: list[Row] = []
        self._at_ms = millis(now)

    def apply(self) -> list[Applied]:
        results = [self._one(arrival, effect) for arrival, effect in self._work]
        self._logbook.write()
        _handled.execute(self._conn, self._handled)
        repeated = results.count(Applied.DUPLICATE)
        if repeated:
            _count_repeats(self._conn, self._consumer, repeated)
        return results

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
            case Park():
                self._park(arrival, effect)
                return Applied.DONE
            case Bury():
                self._bury(arrival, effect)
                return self._finish(arrival, is_handled=False)
            case Handled():
                return self._finish(arrival)
            case Observe() | Announce() | Note():
                return self._observe(arrival, effect)

    def _observe(self, arrival: Arrival, effect: Observe | Announce | Note) -> Applied:
        is_ours = arrival.batch_id in self._logbook.ours
        state = self._logbook.state(arrival.batch_id)
        if isinstance(effect, Note) and (is_ours or state is None):
            return (
                Applied.UNKNOWN
            )  # one that became ours since is operated on next time
        if is_ours:
            return Applied.CONFLICT
        fact = _fact(state or ObservedState(), effect)
        self._logbook.append(arrival.batch_id, fact, self._now)
        result = self._finish(arrival)
        return Applied.STALE if fact.data.get("stale") else result

    def _finish(self, arrival: Arrival, *, is_handled: bool = True) -> Applied:
        """Remember the event; a dead letter is remembered by its own row."""
        self._seen.add(arrival.event_id)
        if is_handled:
            self._handled.append((self._consumer, arrival.event_id, self._at_ms))
        if arrival.parked_id:
            self._conn.execute(_unpark, {"parked_id": arrival.parked_id})
        return Applied.DONE

    def _is_known(self, arrival: Arrival) -> bool:
        return arrival.event_id in self._seen or arrival.event_id in self._parked_events

    def _is_still_parked(self, arrival: Arrival) -> bool:
        return (
            arrival.event_id in self._parked_events
            and arrival.event_id not in self._seen
        )

    def _park(self, arrival: Arrival, effect: Park) -> None:
        due_ms = millis(effect.due_at)
        if arrival.parked_id:
            again = {
                "parked_id": arrival.parked_id,
                "due": due_ms,
                "why": effect.reason,
                "made": effect.attempts,
            }
            self._conn.execute(_again, again)
            return
        self._conn.execute(
            insert(parked),
            {
                "consumer": self._consumer,
                "event_id": arrival.event_id,
                "batch_id": arrival.batch_id,
                "record": packed(arrival.record),
                "attempts": effect.attempts,
                "first_at": millis(self._now),
                "due_at": due_ms,
                "reason": effect.reason,
            },
        )
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
        self._conn.execute(insert(outbox), outbox_row(copy, millis(self._now)))


def _count_repeats(conn: Connection, consumer: str, count: int) -> None:
    here = repeats.c.consumer == consumer
    more = update(repeats).where(here).values(count=repeats.c.count + count)
    if not conn.execute(more).rowcount:
        conn.execute(insert(repeats), {"consumer": consumer, "count": count})


def count_repeats(conn: Connection, consumer: str) -> int:
    """Count the events that were here before, since ever."""
    query = select(repeats.c.count).where(repeats.c.consumer == consumer)
    return conn.execute(query).scalar() or 0


def _known_events(conn: Connection, consumer: str, event_ids: list[str]) -> set[str]:
    seen: set[str] = set()
    for start in range(0, len(event_ids), _MANY):
        some = event_ids[start : start + _MANY]
        query = select(inbox.c.event_id).where(
            inbox.c.consumer == consumer, among(conn, inbox.c.event_id, some)
        )
        seen.update(conn.execute(query).scalars())
        seen |= dead_letter_rows.waiting_events(conn, consumer, some)
    return seen


def _parked_of(
    conn: Connection, consumer: str, batch_ids: set[str]
) -> list[tuple[str, str]]:
    """Give (event, batch) of what is parked of these batches; mostly there is none."""
    if conn.execute(select(parked.c.id).limit(1)).first() is None:
        return []
    every, found = sorted(batch_ids), []
    for start in range(0, len(every), _MANY):
        wanted = {"consumer": consumer, "batch_ids": every[start : start + _MANY]}
        found += [
            (row.event_id, row.batch_id) for row in conn.execute(_waiting, wanted)
        ]
    return found


def is_waiting(conn: Connection, consumer: str, batch_id: str) -> bool:
    """Whether an event of the batch is parked."""
    return bool(_parked_of(conn, consumer, {batch_id}))


def _fact(state: ObservedState, effect: Observe | Announce | Note) -> Fact:
    match effect:
        case Observe(report):
            return observed.reported(state, report)
        case Announce(announcement):
            return observed.announced(state, announcement)
        case Note(data):
            return Fact(type=EventType.OPERATION, data=data)


def due(conn: Connection, consumer: str, most: int, now: datetime) -> list[Parked]:
    """Read the first parked event of each batch, where it is due."""
    first = (
        select(func.min(parked.c.id))
        .where(parked.c.consumer == consumer)
        .group_by(parked.c.batch_id)
    )
    query = (
        select(parked)
        .where(parked.c.id.in_(first), parked.c.due_at <= millis(now))
        .order_by(parked.c.id)
        .limit(most)
    )
    return [
        Parked(
            parked_id=row.id,
            event_id=row.event_id,
            batch_id=row.batch_id,
            record=unpacked(row.record),
            attempts=row.attempts,
            first_at=moment(row.first_at) or now,
            reason=row.reason,
        )
        for row in conn.execute(query)
    ]


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
