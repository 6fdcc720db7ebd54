"""Bodies, compiled and rendered."""

import json
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from hypothesis import given, strategies as st

from batchwire.adapters.http.body import compile_body
from batchwire.adapters.http.settings import HttpSettings
from batchwire.domain.outcome import Message

Build = Callable[..., Message]
VALUES = st.text(st.characters(exclude_categories=["Cs"]))


def render(template: object, message: Message) -> object:
    """Return what became of one value of a body."""
    body = {"x": template, "to": "<to>", "text": "<text>"}
    settings = HttpSettings.model_validate({"url": "https://a.example", "body": body})
    rendered = compile_body(settings, {"KEY": "k"}.__getitem__)([message])
    return json.loads(rendered)["x"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<to>", "+447700900123"),
        ("<to_digits>", "447700900123"),
        ("<parts>", 2),
        ("<parts> parts", "2 parts"),
        ("<position>/<attempt>", "4/1"),
        ("<key>", "b1:4:1"),
        ("<reference>", "b1:4"),
        ("https://me.example/r?ref=<reference>", "https://me.example/r?ref=b1:4"),
        ("<batch_id>", "b1"),
        ("<env:KEY>-<text>", "k-Hi"),
        ("5 < 6 > 4 %b %% <>", "5 < 6 > 4 %b %% <>"),
        ("", ""),
        ({}, {}),
        ([], []),
        ([1, "<text>", [None, True, 2.5]], [1, "Hi", [None, True, 2.5]]),
        ({'a"%b': {"b": "<text>"}}, {'a"%b': {"b": "Hi"}}),
    ],
)
def test_placeholders_are_filled(template: object, expected: object) -> None:
    message = Message("b1", 4, 1, "+447700900123", "Hi", 2)
    assert render(template, message) == expected


@pytest.mark.parametrize(
    ("encodings", "expected"),
    [
        ({}, ["gsm7", "ucs2"]),
        ({"gsm7": "text", "ucs2": "unicode"}, ["text", "unicode"]),
        ({"ucs2": 1}, ["gsm7", 1]),
        ({"gsm7": False, "ucs2": True}, [False, True]),
    ],
)
def test_a_provider_is_told_the_encoding_in_its_words(
    encodings: object, expected: list[object]
) -> None:
    body = {"to": "<to>", "text": "<text>", "type": "<encoding>"}
    raw = {"url": "https://a.example", "body": body, "encodings": encodings}
    messages = [Message("b1", 0, 1, "+447700900123", text, 1) for text in ("€", "ж")]
    for encoding in ("json", "form"):
        settings = HttpSettings.model_validate({**raw, "encoding": encoding})
        render = compile_body(settings, str)
        told = [render([message]) for message in messages]
        if encoding == "json":
            assert [json.loads(text)["type"] for text in told] == expected
        else:
            words = [json.dumps(word).strip('"') for word in expected]
            assert [parse_qs(text.decode())["type"] for text in told] == [
                [word] for word in words
            ]


@given(text=VALUES, around=VALUES.filter(lambda text: "<" not in text))
def test_any_text_arrives_as_it_is(text: str, around: str) -> None:
    message = Message("b1", 0, 1, "+447700900123", text, 1)
    assert render("<text>", message) == text
    rendered = render({around: around + "<text>" + around}, message)
    assert rendered == {around: around + text + around}
