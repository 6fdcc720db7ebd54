"""A chunk is prepared, and its messages are made."""

import pytest
from hypothesis import given, strategies as st

from batchwire.domain import segments
from batchwire.domain.chunk import Recipe
from batchwire.domain.counts import count
from batchwire.domain.ledger import ChunkState, segment, unpack_payload
from batchwire.domain.outcome import Outcome
from batchwire.domain.recipient_list import Rows
from batchwire.domain.template import Template

RECIPE = Recipe(Template.compile("Hi {{name}}"), {}, "GB")
ROWS = Rows(
    ["07810 000001", "+447810000002", "nonsense", "+447810000004"],
    [["Ann", None, "C", "D" * 200]],
    {},
)


def test_preparation_normalises_refuses_and_counts_parts() -> None:
    numbers, prepared = RECIPE.prepare(ROWS)
    assert numbers[0] == "+447810000001"
    assert unpack_payload(prepared.payload).parts == b"\x01\x00\x00\x02"
    ended, counts, parts = prepared.ended([], 5)
    assert parts == 3
    assert counts[Outcome.INVALID] == 2
    assert ended is not None
    assert list(ended.places()) == [1, 2]
    assert ended.errors[1] == ("invalid", "missing_parameter:name")


def test_duplicates_end_beside_who_is_invalid_and_take_their_parts_along() -> None:
    _, prepared = RECIPE.prepare(ROWS)
    ended, counts, parts = prepared.ended([3], 5)
    assert parts == 1
    assert counts == count(
        bytes([0, Outcome.INVALID, Outcome.INVALID, Outcome.DUPLICATE])
    )
    assert ended is not None
    assert (ended.at, list(ended.places())) == (5, [1, 2, 3])
    assert ended.outcomes[-1] == Outcome.DUPLICATE
    assert ended.errors.keys() == {1, 2}


def test_a_shared_value_fills_what_a_recipient_lacks() -> None:
    recipe = Recipe(Template.compile("Hi {{name}}"), {"name": "you"}, "GB")
    _, prepared = recipe.prepare(Rows(ROWS.numbers[:2], [["Ann", None]], {}))
    state = ChunkState(2, [])
    texts = [
        m.text
        for m in recipe.messages(
            ("b1", 0), unpack_payload(prepared.payload), state, range(2)
        )
    ]
    assert texts == ["Hi Ann", "Hi you"]
    assert prepared.ended([], 5)[0] is None


def test_who_would_get_a_blank_text_is_refused() -> None:
    recipe = Recipe(Template.compile("{{name}} {{code}}"), {}, "GB")
    names: list[list[str | None]] = [["Ann", "", " "], ["", "\t", "1"]]
    rows = Rows([f"+44781000000{n}" for n in range(3)], names, {})
    _, prepared = recipe.prepare(rows)
    assert prepared.flaws == {1: "empty_text"}


def test_a_text_that_smart_encoding_makes_blank_is_refused() -> None:
    recipe = Recipe(Template.compile("\u200b{{x}}"), {}, "GB", smart_encoding=True)
    _, prepared = recipe.prepare(Rows(["+447810000000"], [[""]], {}))
    assert prepared.flaws == {0: "empty_text"}


def test_messages_are_made_of_who_is_open() -> None:
    _, prepared = RECIPE.prepare(ROWS)
    ended, _, _ = prepared.ended([], 5)
    assert ended is not None
    again = segment(6, 1, [(3, Outcome.OPEN, 1)])
    state = ChunkState(4, [ended, again])
    first, last = RECIPE.messages(
        ("b1", 1000), unpack_payload(prepared.payload), state, state.open_positions()
    )
    assert (first.position, first.attempt, first.text) == (1000, 1, "Hi Ann")
    assert (last.position, last.attempt, last.parts) == (1003, 2, 2)


def test_all_of_a_chunk_and_some_of_it_make_the_same_messages() -> None:
    rows = Rows(ROWS.numbers[:2], [["Ann", "Bob"]], {})
    payload = unpack_payload(RECIPE.prepare(rows)[1].payload)
    state = ChunkState(2, [])
    first, last = RECIPE.messages(("b1", 0), payload, state, range(2))
    assert [first] == RECIPE.messages(("b1", 0), payload, state, [0])
    assert [last] == RECIPE.messages(("b1", 0), payload, state, [1])


values = st.text("Aé{€ł…😀\0 ", max_size=12) | st.sampled_from(["B" * 157, "B" * 158])


@pytest.mark.parametrize("smart", [False, True])
@pytest.mark.parametrize("text", ["Hi {{a}}", "{{a}}, {{b}}{{a}}", "Hi ł {{a}}", "Hi"])
@given(rows=st.lists(st.tuples(values, values), min_size=1, max_size=6))
def test_parts_are_those_of_the_text_that_is_sent(
    text: str, rows: list[tuple[str, str]], *, smart: bool
) -> None:
    template = Template.compile(text)
    columns = [list(column) for column in zip(*rows, strict=True)]
    recipe = Recipe(template, {}, None, smart_encoding=smart)
    numbers = [f"+4478100000{n:02}" for n in range(len(rows))]
    _, prepared = recipe.prepare(Rows(numbers, columns[: len(template.names)], {}))
    state = ChunkState(len(rows), [])
    payload = unpack_payload(prepared.payload)
    sent = recipe.messages(("b1", 0), payload, state, range(len(rows)))
    assert [m.parts for m in sent] == [segments.count(m.text).parts for m in sent]
    assert prepared.ended([], 5)[2] == sum(message.parts for message in sent)
