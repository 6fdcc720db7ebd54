"""Each slip has one sentence: key, value, place, what is wrong, the nearest key."""

from pathlib import Path

import pytest

from batchwire.config import check

ACME = """\
providers:
  acme:
    kind: http
    url: https://acme.example/sms
    body: {to: <to>, text: <text>}
"""


def problems_of(folder: Path, text: str) -> list[str]:
    path = folder / "b.yaml"
    path.write_text(text)
    return [str(problem).replace(f"{folder}/", "") for problem in check(path, {}, {})]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "engine: {chunk_size: 10001}",
            "engine.chunk_size = 10001 (b.yaml, line 1): must be at most 10000",
        ),
        (
            "engine: {flush_interval_ms: 4}",
            "engine.flush_interval_ms = 4 (b.yaml, line 1): must be at least 5",
        ),
        (
            "engine: {circuit_max_delay_s: 0}",
            "engine.circuit_max_delay_s = 0 (b.yaml, line 1): must be more than 0.0",
        ),
        (
            "engine: {max_window: 1.5}",
            "engine.max_window = 1.5 (b.yaml, line 1): must be an integer",
        ),
        (
            "engine: {chunk_size: true}",
            "engine.chunk_size = true (b.yaml, line 1): must not be true or false",
        ),
        (
            "engine: {drain_timeout_s: nan}",
            "engine.drain_timeout_s = nan (b.yaml, line 1): must be a finite number",
        ),
        (
            ACME + "    answer: {error_code: code}",
            (
                "providers.acme.answer.error_code = code (b.yaml, line 6): must be a list,"
                " as in [a, b]"
            ),
        ),
        (
            "engine: [1]",
            "engine = [1] (b.yaml, line 1): must be a group of settings, as in {name: value}",
        ),
        (
            "log_format: xml",
            "log_format = xml (b.yaml, line 1): must be 'console', 'json' or 'auto'",
        ),
        (
            "default_region: UK",
            "default_region = UK (b.yaml, line 1): the United Kingdom is GB in ISO 3166",
        ),
        (
            "default_region: 44",
            "default_region = 44 (b.yaml, line 1): must be a text",
        ),
        (
            "database_url: mysql://me:pw@db/sms",
            (
                "database_url = mysql://***@db/sms (b.yaml, line 1): mysql is no database"
                " for this version; write sqlite:///PATH, a path, or"
                " postgresql://HOST/DATABASE"
            ),
        ),
        (
            "default_provider: sandbux",
            (
                "default_provider = sandbux (b.yaml, line 1): no such provider; there are"
                " sandbox; did you mean sandbox?"
            ),
        ),
        (
            "log_levl: debug",
            (
                "log_levl = debug (b.yaml, line 1): there is no such setting;"
                " did you mean log_level?"
            ),
        ),
        (
            "engine:\n  chunk_szie: 5",
            (
                "engine.chunk_szie = 5 (b.yaml, line 2): there is no such setting;"
                " did you mean engine.chunk_size?"
            ),
        ),
        (
            "max_window: 5",
            (
                "max_window = 5 (b.yaml, line 1): there is no such setting;"
                " did you mean engine.max_window?"
            ),
        ),
        (
            "engin: {chunk_size: 5}",
            (
                'engin = {"chunk_size": 5} (b.yaml, line 1): there is no such setting;'
                " did you mean engine?"
            ),
        ),
        (
            "telephone: 5",
            "telephone = *** (b.yaml, line 1): there is no such setting",
        ),
        (
            "Log_Level: debug",
            (
                "Log_Level = debug (b.yaml, line 1): there is no such setting;"
                " did you mean log_level?"
            ),
        ),
        (
            "providers: {b: {kind: htpp}}",
            "providers.b.kind = htpp (b.yaml, line 1): must be one of 'http', 'sandbox'",
        ),
        (
            "providers:\n  b: {latency_ms: 5}",
            "providers.b.kind (b.yaml, line 2): must be set",
        ),
        (
            "providers:\n  b:",
            "providers.b (b.yaml, line 2): must be a group of settings, as in {name: value}",
        ),
        (
            "providers:\n  Bad Name: {kind: sandbox}",
            "providers.Bad Name (b.yaml, line 2): the name must match ^[a-z0-9_-]+$",
        ),
        (
            "providers:\n  b:\n    kind: http\n    body: {to: <to>, text: <text>}",
            "providers.b.url (b.yaml, line 2): must be set",
        ),
        (
            "batch_events: {kafka: {brokers: localhost}}",
            (
                "batch_events.kafka.brokers = localhost (b.yaml, line 1): must be"
                " host:port, such as localhost:9092"
            ),
        ),
        (
            "providers: {sandbox: {permanent_rate: 2}}",
            "providers.sandbox.permanent_rate = 2 (b.yaml, line 1): must be at most 1",
        ),
        (
            "providers: {sandbox: {permanent_rate: 1, optout_rate: 1}}",
            (
                "providers.sandbox (b.yaml, line 1): permanent_rate, optout_rate and"
                " transient_rate exceed 1 together"
            ),
        ),
        (
            ACME + "    latency_ms: 5",
            "providers.acme.latency_ms = *** (b.yaml, line 6): there is no such setting",
        ),
        (
            ACME + "    timeout: 5",
            (
                "providers.acme.timeout = *** (b.yaml, line 6): there is no such setting;"
                " did you mean providers.acme.timeout_s?"
            ),
        ),
        (
            ACME + "    auth: {kind: bearer}",
            "providers.acme.auth.token_env (b.yaml, line 6): must be set",
        ),
        (
            ACME + "    codes:\n      123: {verdict: never}",
            (
                "providers.acme.codes.123.verdict = never (b.yaml, line 7): must be"
                " 'accepted', 'throttled', 'transient', 'connection', 'uncertain',"
                " 'configuration' or 'permanent'"
            ),
        ),
        (
            ACME + "    statuses: {busy: {verdict: transient}}",
            "providers.acme.statuses.busy (b.yaml, line 6): the name must be an integer",
        ),
        (
            ACME + "    code_table: twilio",
            (
                "providers.acme (b.yaml, line 2): codes and code_table need"
                " answer.error_code or answer.accepted"
            ),
        ),
    ],
)
def test_a_slip_is_told_in_one_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    assert problems_of(tmp_path, text) == [sentence]


@pytest.mark.parametrize(
    "slip",
    [
        "    auth: {kind: bearer, token_env: s3cret-t0ken}",
        "    auth: {kind: bearer, token_env: A, value: s3cret-t0ken}",
        "    auth: {kind: s3cret-t0ken}",
        "    auth: s3cret-t0ken",
        "    api_key: s3cret-t0ken",
        "    whatever: s3cret-t0ken",
        "    headers: {X-Api-Key: [s3cret-t0ken]}",
        "    headers: s3cret-t0ken",
    ],
)
def test_no_secret_is_told(tmp_path: Path, slip: str) -> None:
    sentences = problems_of(tmp_path, ACME + slip)
    assert sentences
    assert "s3cret-t0ken" not in " ".join(sentences)


def test_a_flag_is_named_as_such() -> None:
    [problem] = check(overrides={"engine.chunk_size": 0}, environ={})
    assert problem.place == "command line"
    assert problem.nearest == ""
