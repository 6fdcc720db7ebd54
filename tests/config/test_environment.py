"""How variables become settings."""

import pytest

from batchwire.config import check, load

ACME = {
    "BATCHWIRE_PROVIDERS__ACME__KIND": "http",
    "BATCHWIRE_PROVIDERS__ACME__URL": "https://acme.example/sms",
    "BATCHWIRE_PROVIDERS__ACME__BODY": '{"to": "<to>", "text": "<text>"}',
}


@pytest.fixture(autouse=True)
def _no_file(tmp_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_provider_can_be_configured_by_variables_alone() -> None:
    settings = load(environ=ACME)
    acme = settings.providers["acme"]
    assert acme.kind == "http"
    assert acme.url == "https://acme.example/sms"
    assert acme.body == {"to": "<to>", "text": "<text>"}
    assert settings.default_provider == "acme"


def test_a_group_may_be_given_whole_and_its_keys_win_over_it() -> None:
    environ = {
        "BATCHWIRE_ENGINE": '{"chunk_size": 5, "max_window": 6}',
        "BATCHWIRE_ENGINE__CHUNK_SIZE": "7",
    }
    engine = load(environ=environ).engine
    assert (engine.chunk_size, engine.max_window) == (7, 6)


def test_a_list_is_given_as_json() -> None:
    codes = {"BATCHWIRE_PROVIDERS__ACME__ANSWER__ERROR_CODE": '["code", "error.code"]'}
    acme = load(environ=ACME | codes).providers["acme"]
    assert acme.kind == "http"
    assert acme.answer.error_code == ("code", "error.code")


def test_an_empty_variable_is_not_set() -> None:
    assert load(environ={"BATCHWIRE_LOG_LEVEL": ""}).log_level == "info"


@pytest.mark.parametrize("name", ["LOG_LEVEL", "batchwire_log_level", "XBATCHWIRE_A"])
def test_variables_of_others_are_left_alone(name: str) -> None:
    assert load(environ={name: "nonsense"}).log_level == "info"


def test_a_variable_that_a_setting_refers_to_is_no_stray() -> None:
    environ = ACME | {
        "BATCHWIRE_PROVIDERS__ACME__AUTH__KIND": "bearer",
        "BATCHWIRE_PROVIDERS__ACME__AUTH__TOKEN_ENV": "BATCHWIRE_ACME_TOKEN",
        "BATCHWIRE_ACME_TOKEN": "t0ken",
    }
    assert check(environ=environ) == []
    del environ["BATCHWIRE_PROVIDERS__ACME__AUTH__TOKEN_ENV"]
    strays = [p for p in check(environ=environ) if "BATCHWIRE_ACME_TOKEN" in p.place]
    assert [stray.problem for stray in strays] == ["there is no such setting"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "BATCHWIRE_DATABSE_URL",
            "x.db",
            (
                "databse_url = x.db (environment variable BATCHWIRE_DATABSE_URL): there is"
                " no such setting; did you mean BATCHWIRE_DATABASE_URL?"
            ),
        ),
        (
            "BATCHWIRE_ENGINE__CHUNKSIZE",
            "5",
            (
                "engine.chunksize = 5 (environment variable BATCHWIRE_ENGINE__CHUNKSIZE):"
                " there is no such setting; did you mean BATCHWIRE_ENGINE__CHUNK_SIZE?"
            ),
        ),
        (
            "BATCHWIRE_CHUNK_SIZE",
            "5",
            (
                "chunk_size = 5 (environment variable BATCHWIRE_CHUNK_SIZE): there is no"
                " such setting; did you mean BATCHWIRE_ENGINE__CHUNK_SIZE?"
            ),
        ),
        (
            "BATCHWIRE_LOG_LEVEL__ROOT",
            "debug",
            (
                "log_level.root = *** (environment variable BATCHWIRE_LOG_LEVEL__ROOT):"
                " there is no such setting"
            ),
        ),
        (
            "BATCHWIRE_ENGINE__CHUNK_SIZE",
            "many",
            (
                "engine.chunk_size = many (environment variable"
                " BATCHWIRE_ENGINE__CHUNK_SIZE): must be an integer"
            ),
        ),
        (
            "BATCHWIRE_ENGINE",
            "{chunk_size",
            (
                "engine = {chunk_size (environment variable BATCHWIRE_ENGINE): must be a"
                " group of settings, as in {name: value}"
            ),
        ),
    ],
)
def test_a_bad_variable_is_named_with_its_remedy(
    name: str, value: str, sentence: str
) -> None:
    assert [str(problem) for problem in check(environ={name: value})] == [sentence]


def test_a_key_beside_a_group_that_is_none_is_not_lost_silently() -> None:
    environ = {"BATCHWIRE_ENGINE": "5", "BATCHWIRE_ENGINE__CHUNK_SIZE": "5"}
    assert [problem.problem for problem in check(environ=environ)] == [
        "the group that it belongs to is set to no group",
        "must be a group of settings, as in {name: value}",
    ]
