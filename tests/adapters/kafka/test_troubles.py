"""The three troubles of the specification, told where they are."""

from batchwire.adapters.kafka.diagnosis import Check, Examination, Lag, failed
from batchwire.adapters.kafka.troubles import Counts, Name, troubles

WELL = Examination(steps=())


def lag(*, has_readers: bool) -> Examination:
    waiting = Lag(
        group_id="readers",
        records=12,
        partitions=8,
        uncommitted=0,
        has_readers=has_readers,
    )
    return Examination(steps=(), lag=waiting)


def test_who_is_well_hears_of_none() -> None:
    assert troubles(WELL, Counts(duplicates=0, dead_letters=0)) == []


def test_a_failed_step_is_the_connections_trouble() -> None:
    step = failed(Check.PORT, "refused", "start Kafka")
    (trouble,) = troubles(Examination(steps=(step,)), Counts())
    assert trouble.name is Name.CONNECTION
    assert trouble.advice == ("start Kafka",)


def test_a_backlog_nobody_reads_needs_a_reader_first() -> None:
    (unread,) = troubles(lag(has_readers=False), Counts())
    assert unread.name is Name.BACKLOG
    assert unread.advice[0] == "start a reader: batchwire serve"
    (slow,) = troubles(lag(has_readers=True), Counts())
    assert "up to 8 in all processes" in slow.advice[0]


def test_duplicates_and_dead_letters_are_told_by_their_count() -> None:
    told = troubles(WELL, Counts(duplicates=3, dead_letters=2))
    assert [(one.name, one.seen[0]) for one in told] == [
        (Name.DUPLICATES, "3"),
        (Name.DEAD_LETTERS, "2"),
    ]
