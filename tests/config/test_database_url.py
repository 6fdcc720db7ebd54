"""One spelling of the database out of those that people write."""

from pathlib import Path

import pytest

from batchwire.config.database_url import sqlite_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("batchwire.db", "sqlite:///batchwire.db"),
        ("./data/b.db", "sqlite:///data/b.db"),
        ("../b.db", "sqlite:///../b.db"),
        ("/var/lib/b.db", "sqlite:////var/lib/b.db"),
        ("sqlite:///b.db", "sqlite:///b.db"),
        ("sqlite:////var/lib/b.db", "sqlite:////var/lib/b.db"),
        ("SQLite:///b.db", "sqlite:///b.db"),
        (" b.db\n", "sqlite:///b.db"),
        ("with space.db", "sqlite:///with space.db"),
        ("~/b.db", f"sqlite:///{Path.home()}/b.db"),
    ],
)
def test_a_path_or_an_sqlite_url_becomes_one_spelling(text: str, url: str) -> None:
    assert sqlite_url(text) == url
    assert sqlite_url(url) == url


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("postgresql://h/db", "^postgresql is no database for this version"),
        ("sqlite+aiosqlite:///b.db", r"^sqlite\+aiosqlite is no database for this"),
        ("mysql+x://h/db", r"^mysql\+x is no database for this version"),
        ("sqlite://b.db", "^an SQLite URL has three slashes"),
        ("sqlite:b.db", "^an SQLite URL has three slashes"),
        ("", "^must name a file: what is sent is remembered there"),
        ("sqlite:///", "^must name a file: what is sent is remembered there"),
        (":memory:", "^must name a file: what is sent is remembered there"),
        ("sqlite:///:memory:", "^must name a file: what is sent is remembered there"),
        ("data/", "^must name a file, not a directory"),
        ("b.db?mode=ro", "no options"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        sqlite_url(text)
