"""What is kept is read in order, once, and its files go."""

import os
from pathlib import Path

import pytest
from tests.adapters.spool.conftest import SMALL, drained, outbox_of, report, run

from batchwire.adapters.spool import Spool, SpoolLimits
from batchwire.errors import SpoolFull


def test_reports_come_out_in_the_order_in_which_they_were_kept(
    directory: Path,
) -> None:
    spool = Spool(directory, SMALL)
    outbox = outbox_of(directory, spool)
    for number in range(50):
        outbox.append(report(number))

    assert drained(outbox) == [report(number) for number in range(50)]
    assert (outbox.kept, outbox.lost, outbox.waiting_rows) == (50, 0, 0)


def test_what_is_not_done_is_given_again_and_before_what_came_later(
    directory: Path,
) -> None:
    outbox = outbox_of(directory, Spool(directory, SMALL))
    for number in range(6):
        outbox.append(report(number))
    pending = run(outbox.pending("r", 4))
    run(outbox.done("r", [pending[0], pending[2]]))

    again = run(outbox.pending("r", 4))

    values = [one.outgoing.record.value for one in again]
    assert values == [report(n) for n in (1, 3, 4, 5)]
    assert [one.position for one in again] == sorted(one.position for one in again)


def test_segments_that_are_sent_are_deleted(directory: Path) -> None:
    outbox = outbox_of(directory, Spool(directory, SMALL))
    for number in range(100):
        outbox.append(report(number))
    before = len(list(directory.glob("*/*.log")))

    drained(outbox)

    assert before == 13  # of 8 frames of 28 bytes
    assert len(list(directory.glob("*/*.log"))) == 1


def test_a_full_spool_refuses_the_newest_and_takes_again_when_some_is_sent(
    directory: Path,
) -> None:
    outbox = outbox_of(directory, Spool(directory, SMALL))
    fits = SMALL.disk_bytes // 28
    for number in range(fits):
        outbox.append(report(number))
    with pytest.raises(SpoolFull):
        outbox.append(report(fits))

    assert drained(outbox) == [report(number) for number in range(fits)]
    outbox.append(report(fits))
    assert drained(outbox) == [report(fits)]


def test_a_limit_below_a_segment_is_no_trap(directory: Path) -> None:
    limits = SpoolLimits(disk_bytes=200, memory_bytes=200, segment_bytes=10_000)
    outbox = outbox_of(directory, Spool(directory, limits))
    for number in range(30):
        outbox.append(report(number))
        assert drained(outbox) == [report(number)]


def test_while_the_directory_cannot_be_written_a_little_waits_in_memory(
    directory: Path,
) -> None:
    directory.write_text("a file where the directory should be")
    spool = Spool(directory, SMALL)
    outbox = outbox_of(directory, spool)
    for number in range(7):
        outbox.append(report(number))
    with pytest.raises(SpoolFull):
        outbox.append(report(7))
    assert outbox.problem
    assert drained(outbox) == [report(number) for number in range(7)]

    outbox.append(report(8))
    directory.unlink()
    outbox.append(report(9))
    run(outbox.pending("r", 1))
    assert not outbox.problem
    outbox.append(report(10))
    assert drained(outbox) == [report(number) for number in (8, 9, 10)]


def test_a_disk_that_fills_up_and_is_freed_loses_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = outbox_of(directory, Spool(directory, SMALL))
    for number in range(3):
        outbox.append(report(number))
    pending = run(outbox.pending("r", 2))
    short = 11  # bytes of the next frame that still fit

    def full(fd: int, frame: bytes, size: int) -> int:
        del size
        return os.write(fd, frame[:short])

    with monkeypatch.context() as patched:
        patched.setattr("batchwire.adapters.spool.writer._write", full)
        for number in (3, 4):
            outbox.append(report(number))
        run(outbox.done("r", pending))
        assert "No space left" in outbox.problem
    outbox.append(report(5))

    assert drained(outbox) == [report(number) for number in (2, 3, 4, 5)]
    assert (outbox.problem, outbox.lost) == ("", 0)


def test_a_report_without_record_is_counted_and_passed_over(
    directory: Path,
) -> None:
    outbox = outbox_of(directory, Spool(directory, SMALL))
    for one in (b"bad", report(1), b"bad", b"bad", b"bad", report(2)):
        outbox.append(one)

    assert drained(outbox, most=2) == [report(1), report(2)]
    assert (outbox.lost, outbox.waiting_rows) == (4, 0)


def test_a_record_that_the_broker_refuses_is_counted_and_passed_over(
    directory: Path,
) -> None:
    outbox = outbox_of(directory, Spool(directory, SMALL))
    for number in range(3):
        outbox.append(report(number))
    first, second, third = run(outbox.pending("r", 3))
    run(outbox.done("r", [first, third]))
    run(outbox.refuse("r", second, "too large"))

    assert run(outbox.pending("r", 3)) == []
    assert (outbox.lost, outbox.waiting_rows) == (1, 0)


def test_a_folder_that_somebody_deletes_is_lost_loudly_and_work_goes_on(
    directory: Path,
) -> None:
    outbox = outbox_of(directory, Spool(directory, SMALL))
    for number in range(20):
        outbox.append(report(number))
    for path in sorted(directory.glob("*/*.log"))[:-1]:
        path.unlink()

    found = drained(outbox)

    assert found == [report(number) for number in range(16, 20)]
    assert (outbox.lost, outbox.waiting_rows) == (16, 0)


def test_a_spool_where_nothing_waits_leaves_no_file(directory: Path) -> None:
    outbox = outbox_of(directory, Spool(directory, SMALL))
    outbox.append(report(1))
    drained(outbox)
    run(outbox.release("r"))

    assert list(directory.iterdir()) == []
    with pytest.raises(SpoolFull):
        outbox.append(report(2))


def test_how_much_is_sent_has_its_place_before_the_disk_can_be_full(
    directory: Path,
) -> None:
    spool = Spool(directory, SMALL)
    spool.append(report(0))
    (told,) = directory.glob("*/sent")
    length = told.stat().st_size
    assert drained(outbox_of(directory, spool)) == [report(0)]
    assert told.stat().st_size == length > 0
