"""Bodies, compiled and rendered."""

import json
from collections.abc import Callable

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


@given(text=VALUES, around=VALUES.filter(lambda text: "<" not in text))
def test_any_text_arrives_as_it_is(text: str, around: str) -> None:
    message = Message("b1", 0, 1, "+447700900123", text, 1)
    assert render("<text>", message) == text
    rendered = render({around: around + "<text>" + around}, message)
    assert rendered == {around: around + text + around}
