"""What is shown of a value."""

import pytest

from batchwire.config.masking import shown, without_secrets


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
    hidden = without_secrets("at a://u:p@h/x and b://u@h")
    assert hidden == "at a://***@h/x and b://***@h"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:p/w@h/db", "postgresql://***@h/db"),
        ("postgresql://u:p@w?x@h/db", "postgresql://***@h/db"),
        (
            "postgresql://h/db?user=u&password=pw",
            "postgresql://h/db?user=u&password=***",
        ),
        (
            "postgresql://h/db?sslpassword=p&x=1",
            "postgresql://h/db?sslpassword=***&x=1",
        ),
    ],
)
def test_no_secret_of_a_url_is_shown_however_it_is_written(url: str, told: str) -> None:
    assert without_secrets(url) == told
