"""What may stand in the file, and how its slips are told."""

import re
from pathlib import Path

import pytest

from batchwire.config import check, load

HTTP = """\
providers:
  acme:
    kind: http
    url: https://acme.example/sms
    body:
      to: <to>
      text: <text>
      validity: 60
      flash: false
      sender: 0049
      note:
"""


def problems_of(folder: Path, text: str | bytes) -> list[str]:
    path = folder / "settings.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [str(problem).replace(f"{folder}/", "") for problem in check(path, {}, {})]


def test_norway_is_a_region_and_no_boolean(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("default_region: NO")
    assert load(path, environ={}).default_region == "NO"


def test_values_in_a_body_keep_their_json_types(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(HTTP)
    acme = load(path, environ={}).providers["acme"]
    assert acme.kind == "http"
    assert acme.body == {
        "to": "<to>",
        "text": "<text>",
        "validity": 60,
        "flash": False,
        "sender": "0049",
        "note": None,
    }


def test_numbers_as_keys_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(
        HTTP + "    answer: {error_code: [code]}\n"
        "    codes: {007: {verdict: permanent}}\n"
        "    statuses: {503: {verdict: transient}}\n"
    )
    acme = load(path, environ={}).providers["acme"]
    assert acme.kind == "http"
    assert list(acme.codes) == ["007"]
    assert list(acme.statuses) == [503]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "engine:\nproviders:\n"])
def test_an_empty_file_or_group_sets_nothing(tmp_path: Path, text: str) -> None:
    assert problems_of(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "log_level: debug\nengine: {chunk_size: 5\n",
            (
                "settings.yaml (line 3, column 1): cannot be understood: while parsing a"
                " flow mapping, expected ',' or '}', but got '<stream end>'"
            ),
        ),
        (
            "log_level: a: b\n",
            (
                "settings.yaml (line 1, column 13): cannot be understood: mapping values"
                " are not allowed here"
            ),
        ),
        (
            "log_level: debug\n\tx: 1\n",
            (
                "settings.yaml (line 2, column 1): cannot be understood: while scanning for"
                " the next token, found character '\\t' that cannot start any token"
            ),
        ),
        (
            "log_level: debug\nlog_format: \a\n",
            (
                "settings.yaml (line 2, column 13): cannot be understood: YAML does not"
                " allow the character '\\x07'"
            ),
        ),
        (
            "- log_level\n",
            (
                "settings.yaml (line 1, column 1): cannot be understood: a list of"
                " `key: value` must stand here"
            ),
        ),
        (
            "engine:\n  chunk_size: 1\n  chunk_size: 2\n",
            (
                "settings.yaml (line 3, column 3): cannot be understood: chunk_size is set"
                " a second time here"
            ),
        ),
        (
            "engine: &here\n  more: *here\n",
            (
                "settings.yaml (line 2, column 9): cannot be understood: aliases (*name)"
                " are not read here; write the value out"
            ),
        ),
        (
            "? [log_level]\n: debug\n",
            (
                "settings.yaml (line 1, column 3): cannot be understood: a key must be a"
                " text"
            ),
        ),
        (
            "log_level: !!python/object:os.system x\n",
            (
                "settings.yaml (line 1, column 12): cannot be understood: could not"
                " determine a constructor for the tag"
                " 'tag:yaml.org,2002:python/object:os.system'"
            ),
        ),
        (
            "log_level: debug\n_build_sources: 1\n",
            (
                "settings.yaml (line 2, column 1): cannot be understood: there is no"
                " setting _build_sources"
            ),
        ),
        (
            b"log_level: \xff\n",
            "settings.yaml (--config): is not UTF-8 at byte 12",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(
    tmp_path: Path, text: str | bytes, sentence: str
) -> None:
    assert problems_of(tmp_path, text) == [sentence]


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert [str(problem) for problem in check(tmp_path, environ={})] == [
        f"{tmp_path} (--config): cannot be read: Is a directory"
    ]


def test_a_bad_value_is_told_with_its_line(tmp_path: Path) -> None:
    text = "# first\nengine:\n  max_window: 5\n  chunk_size: 0\n"
    [sentence] = problems_of(tmp_path, text)
    assert re.search(r"\(settings\.yaml, line 4\)", sentence)
