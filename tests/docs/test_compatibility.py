"""What breaks programs that follow the released schemas is refused, in a sentence."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docs_build import schemas
from docs_build.compatibility import REMEDY, breaks

from batchwire.messages.requests import KINDS, BatchMessageRequest
from batchwire.messages.schema import document

DOCS = Path(__file__).parents[2] / "docs"
RELEASED = document(BatchMessageRequest)
READERS = "older readers refuse what is written now"
WRITERS = "what older programs write is refused"
Change = Callable[[dict[str, Any], dict[str, Any]], object]


def test_todays_schemas_break_nobody() -> None:
    assert schemas.problems(DOCS) == []


def test_what_is_released_is_complete() -> None:
    names = {path.stem for path in (DOCS / "schemas" / "v1").iterdir()}
    assert names == set(KINDS)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda _, p: p.pop("timeout"), ".timeout is gone, and programs count on it"),
        (
            lambda s, _: add(s, "campaign"),
            f".campaign is required, and was not: {WRITERS}",
        ),
        (
            lambda s, _: add(s, "user_id"),
            f".user_id is required, and was not: {WRITERS}",
        ),
        (
            lambda s, _: s["required"].remove("template"),
            f".template may be missing, and was required: {READERS}",
        ),
        (
            lambda _, p: p["priority"].update(maximum=9),
            f".priority: maximum is 9, was 10: {WRITERS}",
        ),
        (
            lambda _, p: p["priority"].update(maximum=11),
            f".priority: maximum is 11, was 10: {READERS}",
        ),
        (
            lambda _, p: p["max_retries"].update(minimum=1),
            f".max_retries: minimum is 1, was 0: {WRITERS}",
        ),
        (
            lambda _, p: p["request_id"].pop("maxLength"),
            f".request_id: maxLength is not limited, was 255: {READERS}",
        ),
        (
            lambda _, p: p["user_id"].update(maxLength=64),
            f".user_id: maxLength is 64, was not limited: {WRITERS}",
        ),
        (
            lambda _, p: p["params"].update(type="object"),
            f".params: type lost 'null': {WRITERS}",
        ),
        (
            lambda _, p: p["message_type"]["enum"].remove("marketing"),
            f".message_type: enum lost 'marketing': {WRITERS}",
        ),
        (
            lambda _, p: p["message_type"]["enum"].append("survey"),
            f".message_type: enum gained 'survey': {READERS}",
        ),
        (
            lambda _, p: p["batch_id"].update(pattern="^x$"),
            ".batch_id: pattern is '^x$', was '^[A-Za-z0-9._:-]{1,128}$'",
        ),
        (
            lambda _, p: p["max_retries"].update(default=5),
            ".max_retries: default is 5, was 3",
        ),
        (
            lambda _, p: p["recipients"]["items"]["anyOf"][1]["required"].append(
                "name"
            ),
            f".recipients.name is required, and was not: {WRITERS}",
        ),
        (
            lambda _, p: p["recipients"]["items"]["anyOf"].pop(),
            ".recipients: anyOf is ",
        ),
        (lambda s, _: s.pop("oneOf"), ": oneOf is not limited, was "),
        (
            lambda s, _: s.update(additionalProperties=False),
            ": additionalProperties is False, was True",
        ),
    ],
)
def test_a_change_that_breaks_somebody_is_refused(
    change: Change, sentence: str
) -> None:
    current = copy.deepcopy(RELEASED)
    change(current, current["properties"])
    [told] = breaks(RELEASED, current)
    assert told.startswith(f"BatchMessageRequest{sentence}")
    assert told.endswith(REMEDY)


def add(schema: dict[str, Any], name: str) -> None:
    """Make a field required, a new one where there is none."""
    schema["properties"].setdefault(name, {"type": "string"})
    schema["required"].append(name)


def test_a_new_optional_field_and_other_words_break_nobody() -> None:
    current = copy.deepcopy(RELEASED)
    current["properties"]["campaign"] = {"type": ["string", "null"], "maxLength": 40}
    current["properties"]["template"]["description"] = "Other words."
    current["properties"]["batch_type"]["examples"].append("rcs")
    assert breaks(RELEASED, current) == []


def test_the_build_names_what_breaks(tmp_path: Path) -> None:
    folder = tmp_path / "schemas" / "v1"
    folder.mkdir(parents=True)
    for path in (DOCS / "schemas" / "v1").iterdir():
        released = json.loads(path.read_bytes())
        released["properties"]["tenant"] = {"type": "string"}
        (folder / path.name).write_text(json.dumps(released), encoding="utf-8")
    told = schemas.problems(tmp_path)
    assert [one.partition(" ")[0] for one in told] == [
        f"{kind.__name__}.tenant" for kind in KINDS.values()
    ]


def test_a_schema_that_was_never_released_is_named(tmp_path: Path) -> None:
    assert "batch_request.json" in schemas.problems(tmp_path)[0]
