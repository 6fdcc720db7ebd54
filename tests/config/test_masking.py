"""What is shown of a value."""

import pytest

from batchwire.config.masking import shown, without_users


@pytest.mark.parametrize(
    "key",
    ["password", "X-Api-Key", "apikey", "Authorization", "auth_token", "clientSecret"],
)
def test_a_key_that_sounds_secret_shows_no_value(key: str) -> None:
    assert shown(key, "value") == "***"
    assert shown(key, 12345) == "***"
    assert shown(key, ["value"]) == '["***"]'
    assert shown("group", {key: "value"}) == f'{{"{key}": "***"}}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (5, "5"),
        (0.5, "0.5"),
        (True, "true"),
        (None, ""),
        ("", ""),
        (["é", 1], '["é", 1]'),
        ("https://me:pw@host/path", "https://***@host/path"),
        ("x" * 201, "x" * 200 + "…"),
    ],
)
def test_other_values_are_shown_as_they_are_written(value: object, text: str) -> None:
    assert shown("url", value) == text


def test_what_is_not_set_is_not_masked() -> None:
    assert shown("password", None) == ""
    assert shown("password", "") == ""


def test_users_in_urls_are_hidden_anywhere_in_a_text() -> None:
    assert without_users("at a://u:p@h/x and b://u@h") == "at a://***@h/x and b://***@h"
