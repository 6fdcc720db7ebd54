"""Who sends, and who sends where nobody is named."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from batchwire.adapters.http.settings import HttpSettings
from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.config import Settings, check, load
from batchwire.config.sandbox_settings import SandboxSettings
from batchwire.errors import SettingsError

ACME = "{kind: http, url: 'https://acme.example/', body: {to: <to>, text: <text>}}"


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "settings.yaml"
    path.write_text(text)
    return load(path, environ={})


def test_without_any_provider_the_sandbox_is_the_default(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "")
    assert settings.default_provider == "sandbox"
    assert settings.providers == {"sandbox": SandboxSettings(kind="sandbox")}


def test_the_only_provider_is_the_default(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f"providers: {{acme: {ACME}}}")
    assert settings.default_provider == "acme"
    assert sorted(settings.providers) == ["acme", "sandbox"]
    assert isinstance(settings.providers["acme"], HttpSettings)


@pytest.mark.parametrize(
    ("more", "place"),
    [("", ""), ("default_provider:", " ({path}, line 2)")],
)
def test_a_default_of_several_providers_is_missed_only_by_whom_it_is_demanded(
    tmp_path: Path, more: str, place: str
) -> None:
    settings = loaded(tmp_path, f"providers: {{b: {ACME}, a: {ACME}}}\n{more}")
    assert settings.default_provider == ""
    with pytest.raises(SettingsError) as refusal:
        settings.demanded_default()
    place = place.format(path=tmp_path / "settings.yaml")
    assert str(refusal.value) == (
        f"default_provider{place}: must be set, as there are several: a, b; only a"
        " `batchwire send` that names one with --provider does without"
    )


def test_of_several_providers_one_can_be_the_default(tmp_path: Path) -> None:
    providers = f"providers: {{b: {ACME}, a: {ACME}}}\n"
    named = loaded(tmp_path, providers + "default_provider: b")
    assert named.default_provider == named.demanded_default() == "b"


def test_the_sandbox_can_be_told_how_to_behave_without_its_kind(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "providers: {sandbox: {latency_ms: 5}}")
    sandbox = settings.providers["sandbox"]
    assert isinstance(sandbox, SandboxSettings)
    assert sandbox.latency_ms == 5
    assert settings.default_provider == "sandbox"


def test_nothing_that_sends_can_be_named_sandbox(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the name sandbox is kept"):
        loaded(tmp_path, f"providers: {{sandbox: {ACME}}}")


def test_a_bad_provider_makes_no_second_problem_of_the_default(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("providers: {acme: {kind: http}}\ndefault_provider: acme")
    keys = [problem.key for problem in check(path, environ={})]
    assert keys == ["providers.acme.url", "providers.acme.body"]


def test_the_sandbox_s_settings_are_those_of_its_behaviour() -> None:
    settings = SandboxSettings(kind="sandbox").behaviour()
    assert Behaviour(**settings) == Behaviour()
    assert set(settings) == {f.name for f in msgspec.structs.fields(Behaviour)}


@pytest.mark.parametrize("value", [-1, 0, 0.5, 1, 2, "text", "https://host/", True])
@pytest.mark.parametrize("name", Behaviour.__struct_fields__)
def test_the_sandbox_s_limits_are_those_of_its_behaviour(
    name: str, value: float | str
) -> None:
    if isinstance(getattr(Behaviour(), name), str):
        value = str(value)
    assert is_taken(
        lambda: SandboxSettings.model_validate({"kind": "sandbox", name: value})
    ) == (is_taken(lambda: msgspec.convert({name: value}, Behaviour, strict=False)))


def is_taken(make: Callable[[], object]) -> bool:
    try:
        make()
    except ValueError:
        return False
    return True
