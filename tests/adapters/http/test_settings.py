"""Settings that cannot work are refused, and say why."""

import pytest
from pydantic import ValidationError

from batchwire.adapters.http.settings import HttpSettings

BODY = {"to": "<to>", "text": "<text>"}
BEARER = {"kind": "bearer", "token_env": "TOKEN"}
GOOD: dict[str, object] = {"url": "https://sms.example/v1", "body": BODY}
LIST: dict[str, object] = {
    "body": {"m": "<messages>"},
    "item": {"to": "<to>", "text": "<text>"},
    "batch_size": 5,
    "answer": {"message_id": "m[].id"},
}


def test_url_and_body_are_enough() -> None:
    assert HttpSettings.model_validate(GOOD).batch_size == 1


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"url": "sms.example/v1"}, "is no URL"),
        ({"url": "ftp://sms.example/"}, "is no URL"),
        ({"url": "https://exa mple.com/x"}, "is no URL: invalid"),
        ({"url": "http://sms.example:99999/x"}, "is no URL: invalid port"),
        ({"url": "http://sms.example:0/x"}, "port 0 is none"),
        ({"url": f"https://{'a' * 64}.example/"}, "is no URL"),
        ({"timeout_s": 1e300}, "less than or equal"),
        ({"max_answer_bytes": 10**20}, "less than or equal"),
        ({"url": "https://me:secret@sms.example/"}, "use auth"),
        ({"body": {"to": "<too>"}}, "no placeholder <too>; there are <to>"),
        ({"body": {"a": [{"b": "<phone>"}]}}, "no placeholder <phone>"),
        ({"body": {"text": "<text>"}}, "<to> or <to_digits> is missing"),
        ({"body": {"to": "<to>"}}, "<text> is missing"),
        ({"body": {"to": "to", "text": "text"}}, "<to> or <to_digits> is missing"),
        ({**LIST, "item": {"text": "<text>"}}, "<to> or <to_digits> is missing"),
        ({"retries": 3}, "retries"),
        ({"timeout_s": 0}, "greater than 0"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers"),
        ({"headers": {"X A": "a"}}, "headers"),
        ({"auth": {"kind": "bearer", "token_env": "not a name"}}, "token_env"),
        ({"auth": {"kind": "bearer", "token": "s"}}, "token_env"),
        ({"answer": {"message_id": "a..b"}}, "is no path"),
        ({"answer": {"accepted": {"path": "s", "values": []}}}, "values"),
        ({"code_table": "acme"}, "code_table"),
        ({"code_table": "twilio", "answer": {}}, "need answer.error_code"),
        ({"codes": {"1": {"verdict": "transient"}}, "answer": {}}, "need answer.error"),
        (
            {"statuses": {"20": {"verdict": "transient"}}},
            "greater than or equal to 200",
        ),
        ({"codes": {"1": {"verdict": "connection"}}}, "was reached"),
        ({"codes": {"1": {"verdict": "transient", "suppress": True}}}, "permanent"),
        ({"item": {"to": "<to>"}}, "come together"),
        ({"body": {"m": "<messages>"}}, "come together"),
        ({"body": {"m": "all <messages>"}}, "stands alone"),
        ({**LIST, "item": {"m": "<messages>"}}, "in body, not in item"),
        ({**LIST, "body": {"m": "<messages>", "t": "<to>"}}, "in item, not in body"),
        ({**LIST, "encoding": "form"}, "no item"),
        ({**LIST, "idempotency_header": "Key"}, "batch_size 1"),
        ({**LIST, "answer": {"message_id": "id"}}, r"paths with \[\]"),
        ({**LIST, "answer": {}}, r"paths with \[\]"),
        ({"batch_size": 2}, "needs item"),
        ({"batch_size": 2, "encoding": "form"}, "no batch_size"),
        ({"encoding": "form", "body": {"a": {"b": "c"}}}, "flat body"),
        ({"url": "https://sms.example/<to>"}, "<to> is not filled in url"),
        ({"headers": {"X-Ref": "<reference>"}}, "<reference> is not filled in headers"),
        ({"headers": {"X-Key": "<env:KEY>"}}, "credentials in auth"),
        ({"body": {**BODY, "a": [{"<key>": 1}]}}, "<key> is not filled in a key of bo"),
        ({**LIST, "item": {**BODY, "<to>": 1}}, "<to> is not filled in a key of item"),
        ({"headers": {"content-Length": "5"}}, "the client sets it itself"),
        ({"idempotency_header": "Transfer-Encoding"}, "the client sets it itself"),
        ({"headers": {"AUTHORIZATION": "x"}, "auth": BEARER}, "authorization is set t"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "x-a is set twice"),
        ({"headers": {"X-A": "1"}, "idempotency_header": "x-a"}, "x-a is set twice"),
        ({"auth": BEARER, "idempotency_header": "Authorization"}, "is set twice"),
        ({"rate_parts_per_s": float("inf")}, "finite number"),
        ({"rate_parts_per_s": float("nan")}, "finite number"),
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        HttpSettings.model_validate({**GOOD, **wrong})


def test_what_only_looks_like_a_placeholder_is_sent_as_it_is() -> None:
    headers = {"From": "Acme <acme>", "Content-Type": "application/vnd.acme+json"}
    settings = HttpSettings.model_validate({**GOOD, "headers": headers})
    assert settings.headers == headers


def test_every_field_is_described() -> None:
    fields = HttpSettings.model_fields
    assert [name for name, field in fields.items() if not field.description] == []


def test_codes_and_values_may_be_written_as_numbers() -> None:
    settings = HttpSettings.model_validate(
        {
            **GOOD,
            "codes": {21610: {"verdict": "permanent"}},
            "answer": {"accepted": {"path": "ok", "values": [0, True]}},
        }
    )
    assert list(settings.codes) == ["21610"]
    assert settings.answer.accepted is not None
    assert settings.answer.accepted.values == ("0", True)
