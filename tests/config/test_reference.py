"""The table that the reference page is made from."""

from pathlib import Path

import pytest

from batchwire.config import check, describe, load, reference
from batchwire.config.reference import REQUIRED


def test_a_row_tells_key_variable_type_default_and_meaning() -> None:
    [row] = [row for row in reference() if row.key == "engine.chunk_size"]
    assert row.variable == "BATCHWIRE_ENGINE__CHUNK_SIZE"
    assert row.type == "integer, ≥ 1, ≤ 10000"
    assert row.default == "1000"
    assert row.meaning == "Recipients in one chunk, for batches prepared from now on."
    assert row.kinds == ()


def test_every_setting_has_a_meaning_and_a_type() -> None:
    assert [row.key for row in reference() if not row.meaning or not row.type] == []


def test_each_key_stands_once_for_each_kind() -> None:
    keys = [(row.key, row.kinds) for row in reference()]
    assert len(set(keys)) == len(keys)


def test_the_kind_of_a_group_is_one_row_for_all_kinds() -> None:
    rows = {row.key: row for row in reference() if row.key.endswith(".kind")}
    assert rows["providers.<name>.kind"].type == "one of http, sandbox"
    assert rows["providers.<name>.kind"].default == REQUIRED
    assert rows["providers.<name>.auth.kind"].default == "none"
    assert rows["providers.<name>.auth.kind"].kinds == ("http",)


def test_everything_that_is_shown_stands_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    path.touch()
    known = {row.key.replace("<name>", "sandbox") for row in reference()}
    shown = {row.key for row in describe(load(path, environ={}))}
    assert shown <= known


@pytest.mark.parametrize(
    ("variable", "default"),
    [
        (row.variable, row.default)
        for row in reference()
        if not row.key.startswith("providers.") and row.default
    ],
)
def test_the_default_in_the_table_can_be_set_and_is_the_default(
    variable: str, default: str, tmp_path: Path
) -> None:
    path = tmp_path / "none.yaml"
    path.touch()
    assert check(path, environ={variable: default}) == []
    assert load(path, environ={variable: default}).model_dump() == (
        load(path, environ={}).model_dump()
    )
