"""Duplicates over several chunks, against a plain set."""

from hypothesis import given, settings, strategies as st

from batchwire.domain.duplicates import Confirmation, Suspects

people = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60)


@settings(max_examples=30)
@given(people, st.integers(1, 10))
def test_two_looks_find_what_a_set_finds(
    people: list[tuple[int, bool]], size: int
) -> None:
    numbers = [f"+4478{n}" for n, _ in people]
    flawed = [int(flaw) for _, flaw in people]
    suspects = Suspects()
    suspects.look(n for n, flaw in zip(numbers, flawed, strict=True) if not flaw)
    look = Confirmation(suspects.numbers)
    found = [
        start + at
        for start in range(0, len(numbers), size)
        for at in look.duplicates(
            numbers[start : start + size], flawed[start : start + size]
        )
    ]
    seen: set[str] = set()
    expected = []
    for at, (number, flaw) in enumerate(zip(numbers, flawed, strict=True)):
        if not flaw and number in seen:
            expected.append(at)
        if not flaw:
            seen.add(number)
    assert found == expected
