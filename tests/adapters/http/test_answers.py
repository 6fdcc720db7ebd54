"""From status, headers and body to a verdict for each message."""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from batchwire.adapters.http.answers import AnswerReader
from batchwire.adapters.http.paths import AnswerPath, as_text
from batchwire.adapters.http.settings import HttpSettings
from batchwire.domain.outcome import Answer, Message, Verdict

Build = Callable[..., Message]
TWILIO = {
    "answer": {
        "message_id": "sid",
        "error_code": ["code"],
        "error_message": ["message"],
    },
    "code_table": "twilio",
}
VONAGE = {
    "answer": {
        "message_id": "messages[].message-id",
        "error_message": ["messages[].error-text"],
        "accepted": {"path": "messages[].status", "values": [0]},
    },
    "code_table": "vonage",
}
TELNYX = {
    "answer": {"message_id": "data.id", "error_code": ["errors[0].code"]},
    "code_table": "telnyx",
}
LIST = {
    "item": {"to": "<to>", "text": "<text>"},
    "body": {"messages": "<messages>"},
    "batch_size": 2,
    "answer": {
        "message_id": "messages[].id",
        "error_code": ["messages[].code", "error.code"],
    },
    "codes": {"7": {"verdict": "permanent", "suppress": True}},
}
CODE_ALONE = {
    "answer": {"error_code": ["error"]},
    "codes": {"7": {"verdict": "transient"}, "9": {"verdict": "accepted"}},
}
BARE: dict[str, Any] = {"answer": {}}


def read(
    settings: dict[str, Any],
    status: int,
    body: object,
    messages: list[Message],
    headers: dict[str, str] | None = None,
) -> list[Answer]:
    given = {"to": "<to>", "text": "<text>"}
    full = {"url": "https://sms.example/", "body": given, **settings}
    text = (
        body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    )
    reader = AnswerReader(HttpSettings.model_validate(full))
    told = defaultdict(str, headers or {})
    return reader.read(status, told.__getitem__, text, messages)


@pytest.mark.parametrize(
    ("settings", "status", "body", "verdict", "detail"),
    [
        (TWILIO, 201, {"sid": "SM1", "code": None}, "accepted", "SM1"),
        (TWILIO, 400, {"code": 21610}, "permanent", "21610"),
        (TWILIO, 400, {"code": 99999}, "permanent", "99999"),
        (TWILIO, 429, {"code": 20429}, "throttled", "20429"),
        (TWILIO, 401, {"code": 20003}, "configuration", "20003"),
        (TWILIO, 200, {"code": 30005}, "permanent", "30005"),
        (TWILIO, 200, {"sid": ""}, "uncertain", "answer_incomplete"),
        (TWILIO, 200, {"sid": None}, "uncertain", "answer_incomplete"),
        (TWILIO, 200, {"sid": ["x"]}, "uncertain", "answer_incomplete"),
        (TWILIO, 200, [1], "uncertain", "answer_incomplete"),
        (TWILIO, 200, None, "uncertain", "answer_too_long"),
        (TWILIO, 200, b"OK", "uncertain", "answer_not_json"),
        (TWILIO, 200, {"code": 99999}, "uncertain", "99999"),
        (TWILIO, 200, {"sid": "SM1", "code": 99999}, "accepted", "SM1"),
        (TWILIO, 200, {"sid": "SM1", "code": 20003}, "configuration", "20003"),
        (TWILIO, 200, b'\xef\xbb\xbf{"sid": 7}', "accepted", "7"),
        (TWILIO, 400, b'{"code": 21610, "message": "na\xefve"}', "permanent", "21610"),
        (TWILIO, 503, b"<html>", "transient", "http_503"),
        (TWILIO, 503, None, "transient", "http_503"),
        (TELNYX, 200, {"data": {"id": 12}}, "accepted", "12"),
        (TELNYX, 403, {"errors": [{"code": "40300"}]}, "permanent", "40300"),
        (TELNYX, 403, {"errors": []}, "configuration", "http_403"),
        (
            VONAGE,
            200,
            {"messages": [{"status": "0", "message-id": "V1"}]},
            "accepted",
            "V1",
        ),
        (VONAGE, 200, {"messages": [{"status": "0"}]}, "accepted", ""),
        (VONAGE, 200, {"messages": [{"status": "1"}]}, "throttled", "1"),
        (VONAGE, 200, {"messages": [{"status": "4"}]}, "configuration", "4"),
        (VONAGE, 200, {"messages": [{"status": "99"}]}, "permanent", "99"),
        (VONAGE, 200, {"messages": [{}]}, "uncertain", "answer_incomplete"),
        (VONAGE, 200, {"messages": []}, "uncertain", "answer_incomplete"),
        (VONAGE, 200, {"message-count": 1}, "uncertain", "answer_incomplete"),
        (CODE_ALONE, 200, {"error": 7}, "transient", "7"),
        (CODE_ALONE, 200, {"error": 8}, "uncertain", "8"),
        (CODE_ALONE, 200, {"error": 9}, "accepted", ""),
        (CODE_ALONE, 200, {"ok": True}, "accepted", ""),
        (BARE, 204, b"", "accepted", ""),
        (BARE, 200, b"<html>", "accepted", ""),
        (BARE, 200, None, "accepted", ""),
        (BARE, 302, b"", "configuration", "http_302"),
        (BARE, 400, b"", "permanent", "http_400"),
        (BARE, 402, b"", "configuration", "http_402"),
        (BARE, 404, b"", "configuration", "http_404"),
        (BARE, 408, b"", "uncertain", "http_408"),
        (BARE, 409, b"", "uncertain", "http_409"),
        (BARE, 422, b"", "permanent", "http_422"),
        (BARE, 429, b"", "throttled", "http_429"),
        (BARE, 500, b"", "transient", "http_500"),
        (BARE, 502, b"", "transient", "http_502"),
        (BARE, 504, b"", "uncertain", "http_504"),
        (BARE, 520, b"", "uncertain", "http_520"),
    ],
)
def test_the_verdict_of_an_answer(
    message: Build,
    settings: dict[str, Any],
    status: int,
    body: object,
    verdict: str,
    detail: str,
) -> None:
    (given,) = read(settings, status, body, [message()])
    shown = given.provider_message_id or given.error_code
    assert (given.verdict, shown) == (verdict, detail)


def test_only_a_code_that_says_so_suppresses(message: Build) -> None:
    (opted_out,) = read(TWILIO, 400, {"code": 21610}, [message()])
    (landline,) = read(TWILIO, 400, {"code": 21614}, [message()])
    assert opted_out.suppress
    assert not landline.suppress


def test_the_settings_rule_over_the_tables(message: Build) -> None:
    settings = {
        **TWILIO,
        "codes": {21614: {"verdict": "transient"}},
        "statuses": {500: {"verdict": "uncertain"}},
    }
    (by_code,) = read(settings, 400, {"code": 21614}, [message()])
    (by_status,) = read(settings, 500, b"", [message()])
    assert by_code.verdict is Verdict.TRANSIENT
    assert by_status.verdict is Verdict.UNCERTAIN


def test_each_message_of_a_list_has_its_own_verdict(message: Build) -> None:
    items = {"messages": [{"code": 7}, {"id": "m2"}]}
    first, second = read(LIST, 200, items, [message(0), message(1)])
    assert (first.verdict, first.suppress) == (Verdict.PERMANENT, True)
    assert (second.verdict, second.provider_message_id) == (Verdict.ACCEPTED, "m2")


@pytest.mark.parametrize(
    "body", [{"messages": [{"id": "m1"}]}, {"messages": {"id": "m1"}}, {}, [], b"x"]
)
def test_a_list_of_another_length_is_uncertain_for_all(
    message: Build, body: object
) -> None:
    answers = read(LIST, 200, body, [message(0), message(1)])
    assert [given.verdict for given in answers] == [Verdict.UNCERTAIN] * 2


def test_a_known_code_without_items_is_said_of_all_and_suppresses_nobody(
    message: Build,
) -> None:
    body = {"error": {"code": 7}, "messages": []}
    answers = read(LIST, 200, body, [message(0), message(1)])
    assert [(a.verdict, a.error_code) for a in answers] == [
        (Verdict.PERMANENT, "7")
    ] * 2
    assert not any(given.suppress for given in answers)


def test_a_code_of_the_whole_answer_takes_back_no_item(message: Build) -> None:
    body = {"error": {"code": 7}, "messages": [{"id": "m1"}, {}]}
    first, second = read(LIST, 200, body, [message(0), message(1)])
    assert (first.verdict, first.provider_message_id) == (Verdict.ACCEPTED, "m1")
    assert (second.verdict, second.suppress) == (Verdict.PERMANENT, False)


def test_a_known_code_beats_an_id_item_by_item(message: Build) -> None:
    body = {"messages": [{"id": "m1", "code": 7}, {"id": "m2", "code": 8}]}
    first, second = read(LIST, 200, body, [message(0), message(1)])
    assert (first.verdict, first.suppress) == (Verdict.PERMANENT, True)
    assert (second.verdict, second.provider_message_id) == (Verdict.ACCEPTED, "m2")


def test_a_code_that_means_accepted_keeps_the_id(message: Build) -> None:
    settings = {**TWILIO, "codes": {"21": {"verdict": "accepted"}}}
    (given,) = read(settings, 200, {"sid": "SM1", "code": 21}, [message()])
    assert given == Answer(Verdict.ACCEPTED, "SM1")


def test_a_code_may_stand_at_the_top_of_a_list(message: Build) -> None:
    answer = {"message_id": "[1]", "error_code": ["[0]"]}
    settings = {"answer": answer, "codes": {"7": {"verdict": "transient"}}}
    (refused,) = read(settings, 200, ["7", "m1"], [message()])
    (taken,) = read(settings, 200, ["0", "m1"], [message()])
    assert refused.verdict is Verdict.TRANSIENT
    assert taken == Answer(Verdict.ACCEPTED, "m1")


def test_a_code_hides_the_number(message: Build) -> None:
    (given,) = read(TWILIO, 400, {"code": "no number: 447700900123"}, [message()])
    assert given.error_code == "no number: …23"


def test_a_refusal_of_a_whole_list_suppresses_nobody(message: Build) -> None:
    body = {"error": {"code": "7"}, "messages": [{"code": "8"}]}
    answers = read(LIST, 400, body, [message(0), message(1)])
    assert [(a.verdict, a.error_code) for a in answers] == [
        (Verdict.PERMANENT, "7")
    ] * 2
    assert not any(given.suppress for given in answers)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "9" * 5000}, 1e9),
        ({"retry-after": "1700000000000"}, 1e9),
        ({"retry-after": "0.5"}, 1.0),
        ({"retry-after": "12.0"}, 12.0),
        ({"retry-after": "1.2.3"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "٣"}, None),
        (
            {
                "retry-after": "Fri, 31 Dec 1999 23:59:59 GMT",
                "date": "Fri, 31 Dec 1999 23:59:29 GMT",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Fri, 31 Dec 1999 23:59:59 GMT",
                "date": "Sat, 01 Jan 2000 00:00:29 GMT",
            },
            0.0,
        ),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
    ],
)
def test_a_throttled_answer_says_how_long_to_wait(
    message: Build, headers: dict[str, str], expected: float | None
) -> None:
    (given,) = read(BARE, 429, b"", [message()], headers)
    assert given.verdict is Verdict.THROTTLED
    assert given.retry_after_s == expected


@pytest.mark.parametrize(("status", "expected"), [(503, 7.0), (400, None), (504, None)])
def test_of_other_refusals_a_transient_one_alone_says_it(
    message: Build, status: int, expected: float | None
) -> None:
    (given,) = read(BARE, status, b"", [message()], {"retry-after": "7"})
    assert given.retry_after_s == expected


def test_an_error_text_hides_the_number_and_is_cut(message: Build) -> None:
    text = "To +447700900123 is invalid. " + "x" * 1000
    (given,) = read(TWILIO, 400, {"code": 21211, "message": text}, [message()])
    assert given.error_message.startswith("To +…23 is invalid.")
    assert len(given.error_message) == 200


def test_what_a_provider_says_moves_no_cursor_and_breaks_no_line(
    message: Build,
) -> None:
    said = {"code": "a\x1b[2Jb\n", "message": "no\r\nway\u202e\x9b to +44\n7700900123"}
    (given,) = read(TWILIO, 400, said, [message()])
    assert given.error_code == "a [2Jb "
    assert given.error_message == "no  way   to +…23"


def test_an_id_is_kept_as_it_came(message: Build) -> None:
    (given,) = read(TWILIO, 200, {"sid": "m\x1b1"}, [message()])
    assert given.provider_message_id == "m\x1b1"


@pytest.mark.parametrize("number", ["07700 900123", "+44 (0) 7700-900.123", "900123"])
def test_an_error_text_hides_the_number_in_any_spelling(
    message: Build, number: str
) -> None:
    said = {"code": 21211, "message": f"Sorry, {number}: see case 4711000815"}
    (given,) = read(TWILIO, 400, said, [message()])
    assert given.error_message.endswith("…23: see case 4711000815")
    assert "900" not in given.error_message


def test_an_error_text_hides_the_numbers_of_the_others_too(message: Build) -> None:
    said = {"code": 20500, "message": "stuck at +447700900456, case 4711000815"}
    others = [message(), message(to="+447700900456")]
    for answer in read(TWILIO, 503, said, others):
        assert answer.error_message == "stuck at +…56, case 4711000815"


ids = st.none() | st.integers(-9, 9) | st.sampled_from(["", "x", "ä"])
trees = st.recursive(
    ids,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b-b"]), inner)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("path", ["a", "b-b", "a.b-b", "a[].a", "[1].a", "a[0]"])
@given(tree=trees)
@example(tree={"a": [{"a": "x"}, {"a": "y"}]})
@example(tree=[{"a": "x"}, {"a": "y"}, {"a": "z"}])
def test_an_id_is_read_where_its_path_says_whatever_stands_around_it(
    path: str, tree: object
) -> None:
    message = Message("b1", 0, 1, "+447700900001", "Hi", 1)
    (answer,) = read({"answer": {"message_id": path}}, 200, tree, [message])
    found = as_text(AnswerPath.parse(path).find(tree, 0))
    assert answer.provider_message_id == found
    assert answer.verdict is (Verdict.ACCEPTED if found else Verdict.UNCERTAIN)
