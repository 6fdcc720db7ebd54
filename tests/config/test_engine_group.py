"""The group `engine` and what the engine is handed."""

from dataclasses import FrozenInstanceError, fields

import pytest

from batchwire.config.engine_group import EngineGroup
from batchwire.engine.settings import EngineSettings


def test_the_group_has_the_settings_of_the_engine_and_their_defaults() -> None:
    assert list(EngineGroup.model_fields) == [f.name for f in fields(EngineSettings)]
    assert EngineGroup().build() == EngineSettings()


def test_every_setting_of_the_engine_is_told_in_its_docstring() -> None:
    told = EngineSettings.__doc__ or ""
    assert [f.name for f in fields(EngineSettings) if f"``{f.name}``" not in told] == []


def test_what_is_set_reaches_the_engine() -> None:
    built = EngineGroup(chunk_size=7, drain_timeout_s=0.5).build()
    assert built == EngineSettings(chunk_size=7, drain_timeout_s=0.5)


def test_the_engine_s_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        EngineSettings().chunk_size = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    "wrong", [{"heartbeat_s": 20.0}, {"trust_s": 30.0}, {"dead_after_s": 15.0}]
)
def test_an_engine_that_trusts_itself_longer_than_others_do_is_refused(
    wrong: dict[str, float],
) -> None:
    with pytest.raises(ValueError, match="each must be less than the next"):
        EngineGroup(**wrong)  # type: ignore[arg-type]
