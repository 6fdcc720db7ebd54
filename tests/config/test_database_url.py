"""One spelling of the database out of those that people write."""

from pathlib import Path

import pytest

from batchwire.config.database_url import one_spelling


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
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgres://u:p%40@h:5433/db", "postgresql://u:p%40@h:5433/db"),
        (" PostgreSQL+asyncpg://u@h/db\n", "postgresql://u@h/db"),
        ("postgresql:///db?host=/run/pg", "postgresql:///db?host=/run/pg"),
        ("postgresql://h/db?sslmode=require", "postgresql://h/db?sslmode=require"),
    ],
)
def test_a_path_or_a_database_url_becomes_one_spelling(text: str, url: str) -> None:
    assert one_spelling(text) == url
    assert one_spelling(url) == url


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
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
        ("postgresql://h", "^must name the database: postgresql://HOST/"),
        ("postgresql://h/", "^must name the database"),
        ("postgresql://h/d?prepared_statement_cache_size=x", "must be a number; 0"),
        ("postgresql://u:p/w@h/db", "^cannot be read; in user and password / is"),
        ("postgresql://u:p@w@h/db", "^cannot be read"),
        ("postgresql://u:p#w@h/db", "^cannot be read"),
        ("postgresql://h:port/db", "^cannot be read"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        one_spelling(text)
