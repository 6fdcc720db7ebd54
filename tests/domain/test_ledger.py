"""The ledger: packed, unpacked, folded, judged."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, strategies as st

from batchwire.domain.batch import OnUncertain
from batchwire.domain.ledger import (
    REPEAT,
    VERSION,
    ChunkState,
    Judge,
    Payload,
    pack,
    segment,
    unpack_numbers,
    unpack_payload,
    unpack_segment,
)
from batchwire.domain.outcome import Answer, Message, Outcome, Verdict
from batchwire.errors import StoreDamaged

SIZE = 30
entries = st.dictionaries(
    st.integers(0, SIZE - 1),
    st.tuples(st.sampled_from(Outcome), st.integers(0, 255)),
    min_size=1,
)


@given(st.lists(st.lists(st.none() | st.text()), max_size=3), st.binary())
def test_a_payload_comes_back(columns: list[list[str | None]], parts: bytes) -> None:
    payload = Payload(VERSION, "+4478\n+4479", tuple(columns), parts)
    assert unpack_payload(pack(payload)) == payload


def test_threads_pack_and_unpack_at_the_same_time() -> None:
    """Zstandard's contexts are a thread's own: a shared one ends the process."""

    def work(seed: int) -> bool:
        numbers = "\n".join(f"+4479{seed}{n * 7919 % 10**7:07}" for n in range(20_000))
        payload = Payload(VERSION, numbers, (), b"\1" * 20_000)
        return all(unpack_payload(pack(payload)) == payload for _ in range(20))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))


@pytest.mark.parametrize("read", [unpack_payload, unpack_numbers, unpack_segment])
@pytest.mark.parametrize(
    "data", [b"", b"nonsense", pack(segment(0, 1, [(0, Outcome.OPEN, 1)]))[:-1]]
)
def test_what_cannot_be_unpacked_is_damage(
    read: Callable[[bytes], object], data: bytes
) -> None:
    with pytest.raises(StoreDamaged, match=r"what is stored packed .* from a backup"):
        read(data)


def test_a_digit_that_is_another_by_now_is_damage() -> None:
    data = pack(Payload(VERSION, "+4478\n+4479", (), b"\1\1"))
    assert b"+4478" in data
    with pytest.raises(StoreDamaged):
        unpack_payload(data.replace(b"+4478", b"+4477"))


@given(st.lists(entries, max_size=6))
def test_folding_packed_segments_is_the_last_word_of_each(
    written: list[dict[int, tuple[Outcome, int]]],
) -> None:
    expected: dict[int, tuple[Outcome, int]] = {}
    segments = []
    for told in written:
        expected |= told
        rows = [(place, *told[place]) for place in sorted(told)]
        segments.append(unpack_segment(pack(segment(0, 1, rows))))
    state = ChunkState(SIZE, segments)
    for place in range(SIZE):
        outcome, attempt = expected.get(place, (Outcome.OPEN, 0))
        assert (state.recorded[place], state.attempts[place]) == (outcome, attempt)


def test_what_is_open_has_the_outcome_the_chunk_was_closed_with() -> None:
    told = segment(0, 1, [(1, Outcome.ACCEPTED, 1)])
    state = ChunkState(3, [told], Outcome.ABORTED)
    assert list(state.outcomes()) == [9, 4, 9]
    assert state.open_positions() == [0, 2]


def test_unanswered_is_intended_open_and_not_told_under_this_fence() -> None:
    before = segment(0, 1, [(0, Outcome.OPEN, 1)])
    now = segment(0, 2, [(1, Outcome.ACCEPTED, 1), (2, Outcome.OPEN, 1)])
    state = ChunkState(6, [before, now])
    assert state.unanswered(fence=2, intent=5) == [0, 3, 4]
    assert state.unanswered(fence=2, intent=0) == []


def test_a_repeat_keeps_the_attempt() -> None:
    told = segment(0, 1, [(0, Outcome.OPEN, 2 | REPEAT), (1, Outcome.OPEN, 2)])
    state = ChunkState(3, [told])
    assert [state.next_attempt(p) for p in range(3)] == [2, 3, 1]


def test_who_is_doubtful_is_open_and_was_lost() -> None:
    lost = dict.fromkeys(range(4), ("uncertain", "crash"))
    first = segment(0, 1, [(p, Outcome.OPEN, 1 | REPEAT) for p in range(4)], lost)
    again = [(0, Outcome.ACCEPTED, 1), (1, Outcome.OPEN, 1)]
    second = segment(0, 2, again, {1: ("transient", "http_503")})
    state = ChunkState(6, [first, second])
    assert state.doubtful() == [2, 3]
    given_up = state.given_up(at_ms=9, fence=2)
    assert given_up is not None
    ended = ChunkState(6, [first, second, given_up], Outcome.EXPIRED)
    assert list(ended.outcomes()) == [4, 8, 10, 10, 8, 8]
    assert ended.errors[3] == ("uncertain", "crash")
    assert ended.next_attempt(3) == 2
    assert ended.given_up(9, 2) is None


def message(position: int = 0, attempt: int = 1) -> Message:
    return Message("b1", position, attempt, "+447810000000", "Hi", 1)


@pytest.mark.parametrize(
    ("verdict", "policy", "attempt", "doubt", "expected"),
    [
        (Verdict.ACCEPTED, OnUncertain.HOLD, 1, "", (Outcome.ACCEPTED, 1)),
        (Verdict.PERMANENT, OnUncertain.HOLD, 1, "", (Outcome.FAILED, 1)),
        (Verdict.TRANSIENT, OnUncertain.HOLD, 2, "", (Outcome.OPEN, 2)),
        (Verdict.TRANSIENT, OnUncertain.HOLD, 3, "", (Outcome.FAILED, 3)),
        (Verdict.TRANSIENT, OnUncertain.RESEND, 1, "", (Outcome.OPEN, 1)),
        (Verdict.UNCERTAIN, OnUncertain.HOLD, 1, "", (Outcome.UNCERTAIN, 1)),
        (Verdict.UNCERTAIN, OnUncertain.DROP, 1, "", (Outcome.FAILED, 1)),
        (Verdict.UNCERTAIN, OnUncertain.RESEND, 1, "", (Outcome.OPEN, 1 | REPEAT)),
        (Verdict.UNCERTAIN, OnUncertain.RESEND, 1, "repeat", (Outcome.UNCERTAIN, 1)),
        (Verdict.TRANSIENT, OnUncertain.RESEND, 1, "repeat", (Outcome.UNCERTAIN, 1)),
        (Verdict.PERMANENT, OnUncertain.RESEND, 1, "repeat", (Outcome.UNCERTAIN, 1)),
        (Verdict.ACCEPTED, OnUncertain.RESEND, 1, "repeat", (Outcome.ACCEPTED, 1)),
        (Verdict.TRANSIENT, OnUncertain.HOLD, 2, "retry", (Outcome.UNCERTAIN, 2)),
        (Verdict.PERMANENT, OnUncertain.HOLD, 2, "retry", (Outcome.UNCERTAIN, 2)),
        (Verdict.PERMANENT, OnUncertain.DROP, 2, "retry", (Outcome.FAILED, 2)),
        (Verdict.TRANSIENT, OnUncertain.RESEND, 2, "retry", (Outcome.UNCERTAIN, 2)),
        (Verdict.PERMANENT, OnUncertain.RESEND, 2, "retry", (Outcome.UNCERTAIN, 2)),
        (Verdict.UNCERTAIN, OnUncertain.RESEND, 2, "retry", (Outcome.OPEN, 2 | REPEAT)),
    ],
)
def test_the_judge_rules(
    verdict: Verdict,
    policy: OnUncertain,
    attempt: int,
    doubt: str,
    expected: tuple[Outcome, int],
) -> None:
    found = Judge(3, policy).outcome(
        message(0, attempt),
        Answer(verdict),
        repeated=doubt == "repeat",
        doubtful=bool(doubt),
    )
    assert found == expected


@given(st.permutations(range(12)), st.integers(1, 12))
def test_answers_are_packed_in_order_however_they_came(
    order: list[int], count: int
) -> None:
    places = order[:count]
    answers = [Answer(Verdict.ACCEPTED, f"id{p}") for p in places]
    messages = [message(100 + p) for p in places]
    told = Judge(3, OnUncertain.HOLD).segment((0, 7, 100), messages, answers)
    assert list(told.places()) == sorted(places)
    ids = ChunkState(12, [unpack_segment(pack(told))]).provider_ids()
    assert ids == {p: f"id{p}" for p in places}


def test_the_time_of_a_recipient_is_that_of_the_last_segment() -> None:
    told = [
        segment(1000, 1, [(0, Outcome.OPEN, 1), (1, Outcome.ACCEPTED, 1)]),
        segment(2000, 2, [(0, Outcome.FAILED, 2)]),
    ]
    assert ChunkState(3, told, Outcome.ABORTED).times() == {0: 2000, 1: 1000}


def test_errors_are_kept_by_position() -> None:
    answers = [Answer(Verdict.ACCEPTED, "a"), Answer(Verdict.PERMANENT, "", "21610")]
    judge = Judge(3, OnUncertain.HOLD)
    told = judge.segment((0, 1, 0), [message(0), message(1)], answers)
    assert told.errors == {1: ("permanent", "21610")}


def test_an_id_with_a_line_break_stays_with_its_recipient() -> None:
    messages = [Message("b1", n, 1, "+447700900001", "Hi", 1) for n in range(3)]
    answers = [Answer(Verdict.ACCEPTED, one) for one in ("a", "b\nc", "d")]
    judge = Judge(1, OnUncertain.HOLD)
    state = ChunkState(3, [judge.segment((0, 1, 0), messages, answers, frozenset())])
    assert state.provider_ids() == {0: "a", 1: "b c", 2: "d"}


def test_a_further_answer_without_an_id_leaves_the_one_of_before() -> None:
    judge = Judge(3, OnUncertain.HOLD)
    messages = [message(n) for n in range(2)]
    lost = [Answer(Verdict.UNCERTAIN, one) for one in ("a", "b")]
    later = [Answer(Verdict.ACCEPTED, one) for one in ("", "c")]
    told = [judge.segment((0, 1, 0), messages, some) for some in (lost, later)]
    assert ChunkState(2, told).provider_ids() == {0: "a", 1: "c"}


def test_where_nobody_has_an_id_none_is_written() -> None:
    messages = [message(n) for n in range(3)]
    answers = [Answer(Verdict.ACCEPTED)] * 3
    told = Judge(3, OnUncertain.HOLD).segment((0, 1, 0), messages, answers)
    assert told.ids == ""


def test_who_is_accepted_was_so_at_that_attempt() -> None:
    judge = Judge(3, OnUncertain.HOLD)
    told = judge.segment((0, 1, 0), [message(0, 3)], [Answer(Verdict.ACCEPTED)])
    assert list(told.attempts) == [3]


def test_the_error_of_who_is_in_doubt_stays_that_of_the_doubt() -> None:
    refused = [Answer(Verdict.PERMANENT, "", "21610")]
    judge = Judge(3, OnUncertain.HOLD)
    told = judge.segment((0, 1, 0), [message(0, 2)], refused, doubtful={0})
    assert told.errors == {0: ("uncertain", "21610")}
