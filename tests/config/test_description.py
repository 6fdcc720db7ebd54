"""What `batchwire config show` is told."""

from pathlib import Path

from batchwire.config import Origin, describe, load

FILE = """\
log_level: warning
engine: {chunk_size: 5}
providers:
  acme:
    kind: http
    url: https://acme.example/sms
    headers: {X-Api-Key: s3cret, X-Team: red}
    auth: {kind: bearer, token_env: ACME_TOKEN}
    body: {to: <to>, text: <text>, password: s3cret}
    answer: {error_code: [code, error.code]}
"""


def shown(folder: Path) -> dict[str, tuple[str, Origin]]:
    path = folder / "settings.yaml"
    path.write_text(FILE)
    flags = {"database_url": "x.db"}
    environ = {
        "BATCHWIRE_ENGINE": '{"max_window": 7}',
        "BATCHWIRE_ENGINE__CHUNK_SIZE": "6",
    }
    rows = describe(load(path, flags, environ))
    return {row.key: (row.value, row.origin) for row in rows}


def test_each_setting_is_shown_with_who_set_it(tmp_path: Path) -> None:
    rows = shown(tmp_path)
    assert rows["database_url"] == ("sqlite:///x.db", Origin.FLAG)
    assert rows["engine.chunk_size"] == ("6", Origin.ENVIRONMENT)
    assert rows["engine.max_window"] == ("7", Origin.ENVIRONMENT)
    assert rows["engine.flush_interval_ms"] == ("100", Origin.DEFAULT)
    assert rows["log_level"] == ("warning", Origin.FILE)
    assert rows["providers.acme.answer.error_code"] == (
        '["code", "error.code"]',
        Origin.FILE,
    )
    assert rows["providers.sandbox.kind"] == ("sandbox", Origin.DEFAULT)
    assert rows["default_region"] == ("", Origin.DEFAULT)


def test_what_was_chosen_in_place_of_a_default_is_shown(tmp_path: Path) -> None:
    assert shown(tmp_path)["default_provider"] == ("acme", Origin.DEFAULT)


def test_secrets_are_masked_and_names_of_variables_are_not(tmp_path: Path) -> None:
    rows = shown(tmp_path)
    assert rows["providers.acme.headers.X-Api-Key"][0] == "***"
    assert rows["providers.acme.body.password"][0] == "***"
    assert rows["providers.acme.headers.X-Team"][0] == "red"
    assert rows["providers.acme.auth.token_env"][0] == "ACME_TOKEN"
    assert "s3cret" not in str(rows)
