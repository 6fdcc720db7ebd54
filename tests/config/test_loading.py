"""Which source wins, and where the file is looked for."""

import os
from pathlib import Path

import pytest

from batchwire.config import check, load, load_for_database
from batchwire.errors import SettingsError

VARIABLE = "BATCHWIRE_ENGINE__CHUNK_SIZE"


def written(folder: Path, text: str, name: str = "settings.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_with_nothing_set_everything_has_its_default(tmp_path: Path) -> None:
    settings = load(written(tmp_path, ""), environ={})
    assert settings.database_url == "sqlite:///batchwire.db"
    assert settings.default_region is None
    assert settings.default_provider == "sandbox"
    assert list(settings.providers) == ["sandbox"]
    assert settings.log_level == "info"
    assert settings.log_format == "auto"


@pytest.mark.parametrize(
    ("in_file", "in_environment", "by_flag", "wins"),
    [
        (None, None, None, 1000),
        (1, None, None, 1),
        (1, "2", None, 2),
        (1, "2", 3, 3),
        (1, None, 3, 3),
        (None, "2", 3, 3),
    ],
)
def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(
    tmp_path: Path,
    in_file: int | None,
    in_environment: str | None,
    by_flag: int | None,
    wins: int,
) -> None:
    text = f"engine: {{chunk_size: {in_file}}}" if in_file else ""
    environ = {VARIABLE: in_environment} if in_environment else {}
    flags = {"engine.chunk_size": by_flag}
    settings = load(written(tmp_path, text), flags, environ)
    assert settings.engine.chunk_size == wins


def test_sources_are_merged_key_by_key(tmp_path: Path) -> None:
    path = written(tmp_path, "engine: {chunk_size: 1, max_window: 2}")
    settings = load(
        path, {"engine.circuit_failures": 3}, {"BATCHWIRE_ENGINE__MAX_WINDOW": "4"}
    )
    assert settings.engine.chunk_size == 1
    assert settings.engine.max_window == 4
    assert settings.engine.circuit_failures == 3


@pytest.mark.parametrize("path", ["sms.db", "/var/lib/sms.db", "a b/sms.db"])
def test_the_path_of_the_database_is_that_of_its_url(tmp_path: Path, path: str) -> None:
    settings = load(written(tmp_path, ""), {"database_url": path}, {})
    assert settings.database_path == path


def test_the_file_that_is_named_beats_the_variable_beats_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(environ={}).log_level == "info"
    written(tmp_path, "log_level: debug", "batchwire.yaml")
    assert load(environ={}).log_level == "debug"
    environ = {"BATCHWIRE_CONFIG": str(written(tmp_path, "log_level: warning", "v"))}
    assert load(environ=environ).log_level == "warning"
    named = written(tmp_path, "log_level: error", "named.yaml")
    assert load(named, environ=environ).log_level == "error"


@pytest.mark.parametrize("by", ["--config", "BATCHWIRE_CONFIG"])
def test_a_file_that_is_named_must_exist(tmp_path: Path, by: str) -> None:
    path = tmp_path / "none.yaml"
    environ = {"BATCHWIRE_CONFIG": str(path)} if by == "BATCHWIRE_CONFIG" else {}
    with pytest.raises(SettingsError) as refusal:
        load(path if by == "--config" else None, environ=environ)
    assert str(refusal.value) == (
        f"{path} ({by}): cannot be read: No such file or directory"
    )


def test_the_process_environment_is_read_where_none_is_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "7")
    assert load(written(tmp_path, "")).engine.chunk_size == 7


def test_a_flag_that_was_not_given_sets_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "default_region: de")
    assert load(path, {"default_region": None}, {}).default_region == "DE"


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = load(written(tmp_path, ""), environ={})
    with pytest.raises(ValueError, match="frozen"):
        settings.log_level = "debug"
    with pytest.raises(ValueError, match="frozen"):
        settings.engine.chunk_size = 1


def test_load_tells_the_first_problem_and_check_tells_all(tmp_path: Path) -> None:
    path = written(tmp_path, "log_format: xml\nengine: {chunk_size: 0}\ncolour: red\n")
    environ = {"BATCHWIRE_COLOR": "red"}
    problems = check(path, environ=environ)
    assert [problem.key for problem in problems] == [
        "color",
        "engine.chunk_size",
        "log_format",
        "colour",
    ]
    with pytest.raises(SettingsError) as refusal:
        load(path, environ=environ)
    assert str(refusal.value) == (
        f"{problems[0]} (and 3 more: `batchwire config check` lists all)"
    )


def test_check_finds_nothing_wrong_with_what_load_takes(tmp_path: Path) -> None:
    path = written(tmp_path, "default_region: GB")
    assert check(path, {"log_level": "debug"}, {VARIABLE: "5"}) == []


def test_a_refusal_carries_no_foreign_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(written(tmp_path, "engine: 5"), environ={})
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None
    assert refusal.value.code == "settings_error"


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("providers: {acme: {kind: http, concurency: 5}}", {}),
        ("providers: [acme]", {}),
        ("providers: {acme: {token_env: BATCHWIRE_ACME}}", {"BATCHWIRE_ACME": "x"}),
        ("default_provider: acme", {}),
        ("engine: {chunk_size: 0}", {}),
        ("engine: {heartbeat_s: 500}", {}),
        ("", {"BATCHWIRE_ENGINE__CHUNK_SIZES": "5"}),
        ("", {"BATCHWIRE_PROVIDERS": "5", "BATCHWIRE_PROVIDERS__ACME__KIND": "http"}),
        ("", {"BATCHWIRE_ENGIN__CHUNK_SIZE": "5"}),
        ("", {"BATCHWIRE_PROVIDER__ACME__KIND": "http"}),
        ("", {"BATCHWIRE_LOG_FORMT": "json"}),
        ("", {"BATCHWIRE_SERVICE_HOST": "10.0.0.1"}),
        ("engine: {chunk_size: 0}", {"BATCHWIRE_COLOUR": "red"}),
    ],
)
def test_what_is_wrong_with_sending_is_told_to_who_sends_nothing_and_left_aside(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    path = written(tmp_path, f"default_region: DE\n{text}")
    environ = environ | {"BATCHWIRE_LOG_LEVEL": "debug"}
    settings, wrong = load_for_database(path, {"database_url": "x.db"}, environ)
    with pytest.raises(SettingsError) as refusal:
        load(path, {"database_url": "x.db"}, environ)
    assert wrong == str(refusal.value)
    good = written(tmp_path, "default_region: DE", "good.yaml")
    flags = {"database_url": "x.db", "log_level": "debug"}
    assert settings.model_dump() == load(good, flags, {}).model_dump()


def test_who_sends_nothing_has_all_settings_where_none_is_wrong(tmp_path: Path) -> None:
    path = written(tmp_path, "engine: {chunk_size: 5}\nproviders: {sandbox: {seed: 1}}")
    assert load_for_database(path, environ={}) == (load(path, environ={}), "")


@pytest.mark.parametrize(
    ("text", "environ", "key"),
    [
        ("database_url: mysql://db", {}, "database_url"),
        ("batch_events: {kafka: {topics: a}}", {}, "batch_events.kafka.topics"),
        ("log_level: loud", {}, "log_level"),
        ("provider: {acme: {kind: http}}", {}, "provider"),
        ("", {"BATCHWIRE_DATABASE": "x.db"}, "database"),
        ("providers: {a: {}", {}, "{path}"),
    ],
)
def test_what_is_wrong_elsewhere_is_refused_and_told_to_who_sends_nothing_too(
    tmp_path: Path, text: str, environ: dict[str, str], key: str
) -> None:
    path = written(tmp_path, f"engine: {{chunk_size: 0}}\n{text}")
    with pytest.raises(SettingsError) as refusal:
        load_for_database(path, environ=environ)
    assert str(refusal.value).startswith(key.format(path=path))


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("providers:\n  acme: {kind: http}\n  database_url: x.db", {}),
        ("providers:\n  acme:\n    batch_events: {kafka: {topic: a}}", {}),
        ("engine:\n  database_url: x.db", {}),
        ("", {"BATCHWIRE_ENGINE__DATABASE_URL": "x.db"}),
    ],
)
def test_a_key_of_elsewhere_is_not_left_aside_with_the_group_it_slipped_into(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    with pytest.raises(SettingsError):
        load_for_database(written(tmp_path, text), environ=environ)


@pytest.mark.parametrize(
    "name",
    [
        "DATABSE",
        "DATABASE__URL",
        "DB_URL",
        "ENGIN__DATABASE_URL",
        "CONFG",
        "CONFIG_FILE",
        "TOPIC",
        "BATCH_EVENT__KAFKA__TOPIC",
    ],
)
def test_a_variable_that_may_mean_another_database_or_topic_is_refused_beside_others(
    tmp_path: Path, name: str
) -> None:
    environ = {"BATCHWIRE_COLOUR": "red", f"BATCHWIRE_{name}": "other.db"}
    with pytest.raises(SettingsError, match=f"BATCHWIRE_{name}"):
        load_for_database(written(tmp_path, ""), environ=environ)


def test_a_file_that_can_be_read_once_is_read_once() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"database_url: x.db\nengine: {chunk_size: 0}\n")
    os.close(writer)
    settings, _ = load_for_database(Path(f"/dev/fd/{reader}"), environ={})
    os.close(reader)
    assert settings.database_path == "x.db"
