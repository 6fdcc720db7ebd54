"""What a dead process left is sent by whoever lives; a torn tail was never promised."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from tests.adapters.spool.conftest import SMALL, drained, outbox_of, record, report, run

from batchwire.adapters.spool import Spool, SpoolLimits, SpoolOutbox
from batchwire.adapters.spool.frame import pack


def died(spool: Spool) -> None:
    """Let a process end: the kernel closes its files, and nothing else happens."""
    spool.leave()


def test_what_the_dead_left_comes_first_the_oldest_before_the_newer(
    directory: Path,
) -> None:
    for first in (0, 10):
        spool = Spool(directory, SMALL)
        for number in range(first, first + 10):
            spool.append(report(number))
        died(spool)
    outbox = outbox_of(directory, Spool(directory, SMALL))
    for number in range(20, 30):
        outbox.append(report(number))

    assert run(outbox.lease("r")) == 3
    assert outbox.waiting_rows == 30
    assert drained(outbox) == [report(number) for number in range(30)]
    assert len(list(directory.iterdir())) == 1


def test_the_folder_of_a_process_that_lives_is_left_alone(
    directory: Path,
) -> None:
    living = Spool(directory, SMALL)
    living.append(report(1))
    outbox = outbox_of(directory, Spool(directory, SMALL))

    assert drained(outbox) == []
    assert living.waiting == 1


def test_what_the_dead_have_sent_is_not_sent_again(directory: Path) -> None:
    spool = Spool(directory, SMALL)
    before = outbox_of(directory, spool)
    for number in range(30):
        before.append(report(number))
    run(before.done("r", run(before.pending("r", 12))))
    died(spool)

    outbox = outbox_of(directory, Spool(directory, SMALL))

    assert drained(outbox) == [report(number) for number in range(12, 30)]


def test_who_takes_over_and_dies_too_leaves_it_to_the_next(
    directory: Path,
) -> None:
    spool = Spool(directory, SMALL)
    for number in range(30):
        spool.append(report(number))
    died(spool)
    second = outbox_of(directory, Spool(directory, SMALL))
    run(second.lease("r"))
    run(second.done("r", run(second.pending("r", 5))))
    second.leave()

    third = outbox_of(directory, Spool(directory, SMALL))

    assert drained(third) == [report(number) for number in range(5, 30)]


def test_a_file_cut_at_any_byte_gives_its_whole_events(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "made", SpoolLimits())
    reports = [report(n) * (n % 3) + b"x" for n in range(6)]
    for one in reports:
        spool.append(one)
    died(spool)
    (folder,) = (tmp_path / "made").iterdir()
    (log,) = folder.glob("*.log")
    whole, ends = log.read_bytes(), [0]
    for one in reports:
        ends.append(ends[-1] + len(pack(one)))

    for size in range(len(whole) + 1):
        cut = tmp_path / f"cut-{size}"
        shutil.copytree(folder, cut / folder.name)
        (cut / folder.name / log.name).write_bytes(whole[:size])
        outbox = SpoolOutbox(cut, Spool(cut, SMALL), record)
        kept = max(n for n, end in enumerate(ends) if end <= size)
        assert drained(outbox) == reports[:kept], size
        assert outbox.lost == 0
        run(outbox.release("r"))
        assert list(cut.iterdir()) == []


@given(at=st.integers(0, 28 * 24 - 1), flipped=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_costs_no_event_before_it_and_is_never_an_event(
    tmp_path_factory: pytest.TempPathFactory, at: int, flipped: int
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    spool = Spool(directory, SMALL)
    for number in range(24):
        spool.append(report(number))
    died(spool)
    segments = sorted(directory.glob("*/*.log"))
    data = bytearray(b"".join(path.read_bytes() for path in segments))
    data[at] ^= flipped
    start = 0
    for path in segments:
        size = path.stat().st_size
        path.write_bytes(bytes(data[start : start + size]))
        start += size

    outbox = outbox_of(directory, Spool(directory, SMALL))
    found = drained(outbox)

    harmed = at // 28
    everything = [report(number) for number in range(24)]
    assert found[:harmed] == everything[:harmed]
    assert set(found) <= set(everything) - {report(harmed)}
    assert found == sorted(found)  # type: ignore[type-var]
    assert outbox.waiting_rows == 0
    run(outbox.release("r"))


def test_files_that_are_not_ours_are_left_alone(directory: Path) -> None:
    (directory / "1-strange").mkdir(parents=True)
    (directory / "notes.txt").write_text("mine")
    outbox = outbox_of(directory, Spool(directory, SMALL))

    assert drained(outbox) == []
    assert (directory / "notes.txt").read_text() == "mine"
