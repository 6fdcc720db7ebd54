"""Duplicates over several chunks, against a plain set."""

from hypothesis import given, settings, strategies as st

from batchwire.domain.duplicates import Suspects

people = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60)


@settings(max_examples=50)
@given(people, st.integers(1, 10), st.integers(0, 100), st.integers(1, 40))
def test_the_looks_find_what_a_set_finds_however_little_they_may_keep(
    people: list[tuple[int, bool]], size: int, told: int, most: int
) -> None:
    chunks = [people[at : at + size] for at in range(0, len(people), size)]
    suspects = Suspects(told, most)
    for chunk in chunks:
        suspects.look([f"+4478{n}" for n, is_flawed in chunk if not is_flawed])
    found = []
    for look in suspects.confirmations():
        for n, chunk in enumerate(chunks):
            numbers = [f"+4478{number}" for number, _ in chunk]
            flawed = [is_flawed for _, is_flawed in chunk]
            found += [n * size + at for at in look.duplicates(numbers, flawed)]
    seen: set[int] = set()
    expected = []
    for at, (number, is_flawed) in enumerate(people):
        if not is_flawed and number in seen:
            expected.append(at)
        if not is_flawed:
            seen.add(number)
    assert sorted(found) == expected


def test_a_list_in_which_everybody_stands_twice_is_looked_at_in_shares() -> None:
    numbers = [f"+4478{n:07d}" for n in range(3000)]
    suspects = Suspects(3000, most=500)
    for _ in range(2):
        for at in range(0, 3000, 100):
            suspects.look(numbers[at : at + 100])
    found = [
        len(look.duplicates(numbers * 2, bytes(6000)))
        for look in suspects.confirmations()
    ]
    assert sum(found) == 3000
    assert len(found) >= 6
    assert max(found) <= 2 * 500
