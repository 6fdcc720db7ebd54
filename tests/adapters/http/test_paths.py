"""Paths into an answer."""

import pytest

from batchwire.adapters.http.paths import AnswerPath, as_text

ANSWER = {
    "id": "top",
    "data": {"id": 5, "message-id": "dash"},
    "messages": [{"id": "m0"}, {"id": "m1", "errors": [{"code": 1}, {"code": 2}]}],
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("id", "top"),
        ("data.id", 5),
        ("data.message-id", "dash"),
        ("messages[].id", "m1"),
        ("messages[0].id", "m0"),
        ("messages[].errors[1].code", 2),
        ("messages[2].id", None),
        ("messages.id", None),
        ("id[0]", None),
        ("data[].id", None),
        ("nothing.at.all", None),
    ],
)
def test_a_path_finds_what_stands_there(path: str, expected: object) -> None:
    assert AnswerPath.parse(path).find(ANSWER, 1) == expected


def test_a_list_at_the_top_is_reached() -> None:
    assert AnswerPath.parse("[].id").find([{"id": "a"}, {"id": "b"}], 1) == "b"


@pytest.mark.parametrize(
    "text",
    [
        *["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a]b", "a[].b[]", "a[]b"],
        *["$.a", "/a/0/b", "sms.<to_digits>.id"],
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"path|more than one"):
        AnswerPath.parse(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (7, "7"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        ([], ""),
        (1.5, ""),
    ],
)
def test_ids_and_codes_are_compared_as_text(value: object, text: str) -> None:
    assert as_text(value) == text
