"""Notes in the logs of batches: what was decided of something that belongs to them."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from batchwire.adapters.sql import log
from batchwire.adapters.sql.observed_rows import Logbook
from batchwire.adapters.sql.tables import batches
from batchwire.domain import operations


def append(
    conn: Connection,
    text: str,
    letters: Iterable[tuple[str, int]],
    details: Mapping[str, str],
    now: datetime,
) -> None:
    """
    Note in the log of each batch which of its dead letters are meant.

    ``letters`` are pairs of batch_id and id. A batch that is not known has no log.
    """
    ids: dict[str, list[int]] = {}
    for batch_id, letter in letters:
        ids.setdefault(batch_id, []).append(letter)
    facts = {
        batch_id: operations.note(text, letters=some, **details)
        for batch_id, some in sorted(ids.items())
    }
    query = (
        select(batches)
        .where(batches.c.batch_id.in_(facts))
        .order_by(batches.c.batch_id)
        .with_for_update()
    )
    for row in conn.execute(query).all():
        log.append(conn, row, (facts[row.batch_id],), now)
    logbook = Logbook(conn, facts, now)
    for batch_id, fact in facts.items():
        if logbook.state(batch_id) is not None:
            logbook.append(batch_id, fact)
    logbook.write()
