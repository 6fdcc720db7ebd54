"""``domain/identifiers.py``: batch_id, UUIDv7."""

from uuid import RFC_4122

import pytest

from batchwire.domain.identifiers import is_batch_id, uuid7


@pytest.mark.parametrize("text", ["a", "Batch-1_2.3:4", "x" * 128])
def test_a_batch_id_of_allowed_characters_is_one(text: str) -> None:
    assert is_batch_id(text)


@pytest.mark.parametrize("text", ["", "x" * 129, "a b", "ä", "a\n", "a/b", "\u0661"])
def test_any_other_text_is_no_batch_id(text: str) -> None:
    assert not is_batch_id(text)


def test_a_uuid7_is_the_sample_of_the_rfc() -> None:
    """RFC 9562, appendix A.6: rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F."""
    randomness = (0xCC3 << 64 | 0x18C4DC0C0C07398F).to_bytes(10)
    made = uuid7(0x017F22E279B0, randomness)
    assert str(made) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
    assert made.version == 7
    assert made.variant == RFC_4122


def test_a_later_uuid7_sorts_after_an_earlier_one() -> None:
    assert str(uuid7(1000, b"\xff" * 10)) < str(uuid7(1001, b"\x00" * 10))


@pytest.mark.parametrize("unix_ms", [-1, 1 << 48])
def test_a_time_outside_48_bits_makes_no_uuid7(unix_ms: int) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        uuid7(unix_ms, bytes(10))


def test_a_uuid7_needs_10_random_bytes() -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        uuid7(0, bytes(9))
