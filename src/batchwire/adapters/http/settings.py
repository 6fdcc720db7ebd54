"""The settings of an HTTP provider: what to send, where, and how to read the answer."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from batchwire.adapters.http.credentials import Auth, NoAuth, auth_header_name
from batchwire.adapters.http.fields import (
    HeaderName,
    HeaderValue,
    PathText,
    StrictModel,
    UrlText,
    Word,
)
from batchwire.adapters.http.placeholders import (
    MESSAGES,
    SECRET,
    TO,
    keys_in,
    names_in,
    written_in,
)
from batchwire.adapters.http.rulings import Ruling
from batchwire.domain.encoding import Encoding

_DAY_S = 86_400


class Accepted(StrictModel):
    """Which 2xx answers took the message, where the status alone does not say so."""

    path: PathText = Field(description="Where the answer says it.")
    values: tuple[Word | bool, ...] = Field(
        min_length=1, description="What stands there when the message was taken."
    )


class AnswerSettings(StrictModel):
    """
    Where things stand in the provider's JSON answer: ``id``, ``messages[].id``.

    ``messages[]`` is the list with one item a message, in their order; ``errors[0]`` is
    the first item of a list.
    """

    message_id: PathText | None = Field(
        default=None,
        description="The provider's message id. Where it is set, a 2xx answer without"
        " one is `uncertain`; where it is not, any 2xx answer takes the message.",
    )
    error_code: tuple[PathText, ...] = Field(
        default=(), description="The provider's error code; the first found counts."
    )
    error_message: tuple[PathText, ...] = Field(
        default=(), description="Its error text; the first found counts."
    )
    accepted: Accepted | None = Field(
        default=None,
        description="Set it where the provider says no in a 2xx answer. Any other value"
        " is a refusal, and its code where none stands at `error_code`.",
    )


class HttpSettings(StrictModel):
    """An SMS provider with an HTTP API that answers in JSON."""

    url: UrlText = Field(description="Where messages go. Redirects are not followed.")
    method: Literal["POST", "PUT"] = Field(default="POST", description="HTTP method.")
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, description="Sent with every request. No secrets: `auth`."
    )
    auth: Auth = Field(default=NoAuth(), description="Credentials, from environment.")
    encoding: Literal["json", "form"] = Field(
        default="json",
        description="How the body is written; `form` is"
        " application/x-www-form-urlencoded.",
    )
    body: dict[str, JsonValue] = Field(
        description="The request body. Strings may contain <to>, <to_digits>, <text>,"
        " <encoding>, <parts>, <key>, <reference>, <batch_id>, <position>, <attempt>, <env:NAME>;"
        " `<messages>` is the list of items."
    )
    item: dict[str, JsonValue] | None = Field(
        default=None, description="One message of the list `<messages>` in `body`."
    )
    encodings: dict[Encoding, Word | int | bool] = Field(
        default_factory=dict,
        description="What <encoding> writes for a text in `gsm7` or `ucs2`, where the"
        " provider has to be told and has words of its own.",
    )
    batch_size: int = Field(
        default=1, ge=1, le=10_000, description="Most messages of one request."
    )
    answer: AnswerSettings = Field(
        default=AnswerSettings(), description="How to read the answer."
    )
    code_table: Literal["twilio", "vonage", "telnyx"] | None = Field(
        default=None, description="Error codes known to us; `codes` wins over them."
    )
    codes: dict[str, Ruling] = Field(
        default_factory=dict, description="What the provider's error codes mean."
    )
    statuses: dict[Annotated[int, Field(ge=200, le=599)], Ruling] = Field(
        default_factory=dict,
        description="What HTTP statuses mean that come without a known code;"
        " wins over the defaults.",
    )
    idempotency_header: HeaderName | None = Field(
        default=None,
        description="Header for the key that the provider accepts only once; setting it"
        " says that it does, and uncertain messages may be sent again.",
    )
    connect_timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=_DAY_S,
        description="Seconds for name, TCP, proxy and TLS together.",
    )
    timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=_DAY_S,
        description="Seconds for the answer, from when the request has left.",
    )
    keep_alive_s: float = Field(
        default=4.0,
        ge=0,
        le=_DAY_S,
        description="Seconds an idle connection is kept. Less than the provider keeps"
        " it: a message that meets a closing connection is uncertain.",
    )
    max_answer_bytes: int = Field(
        default=1_048_576,
        ge=1,
        le=1 << 30,
        description="Longest answer that is read, in bytes.",
    )
    concurrency: int = Field(
        default=32, ge=1, description="Most requests under way at once."
    )
    rate_parts_per_s: float = Field(
        default=0.0, ge=0, description="Most SMS parts per second; 0 is unlimited."
    )
    burst_parts: int = Field(
        default=0, ge=0, description="Parts that may go at once after a silence."
    )
    verify_tls: bool = Field(
        default=True, description="Whether the provider's certificate is checked."
    )
    ca_file: str | None = Field(
        default=None, description="PEM file with a further authority to trust."
    )
    proxy_from_environment: bool = Field(
        default=False,
        description="Whether HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY count.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for contradiction in self._contradictions():
            raise ValueError(contradiction)
        return self

    def _contradictions(self) -> Iterator[str]:
        in_body, in_item = names_in(self.body), names_in(self.item)
        if (self.item is None) == (MESSAGES in in_body):
            yield "item and <messages> in body come together"
        if MESSAGES in in_item:
            yield "<messages> stands in body, not in item"
        if self.item and any(
            not name.startswith(SECRET) for name in in_body - {MESSAGES}
        ):
            yield "with item, what differs by message stands in item, not in body"
        if self.encoding == "form":
            yield from self._contradictions_of_form()
        if self.batch_size > 1:
            yield from self._contradictions_of_batch()
        if (self.codes or self.code_table) and not (
            self.answer.error_code or self.answer.accepted
        ):
            yield "codes and code_table need answer.error_code or answer.accepted"
        yield from _left_out(in_body | in_item)
        yield from self._never_filled()
        yield from self._headers_set_twice()

    def _never_filled(self) -> Iterator[str]:
        places = {
            "url": (self.url,),
            "headers": self.headers.values(),
            "a key of body": keys_in(self.body),
            "a key of item": keys_in(self.item),
        }
        for place, texts in places.items():
            for placeholder in written_in(" ".join(texts)):
                yield (
                    f"{placeholder} is not filled in {place}: placeholders stand in"
                    " values of body and item, credentials in auth"
                )

    def _headers_set_twice(self) -> Iterator[str]:
        own = (auth_header_name(self.auth), self.idempotency_header or "")
        names = Counter(filter(None, map(str.lower, (*self.headers, *own))))
        for name in (name for name, times in names.items() if times > 1):
            yield f"{name} is set twice, by headers, auth or idempotency_header"

    def _contradictions_of_form(self) -> Iterator[str]:
        if self.item is not None or self.batch_size > 1:
            yield "encoding form carries one message: no item, no batch_size"
        if any(isinstance(value, dict | list) for value in self.body.values()):
            yield "encoding form needs a flat body"

    def _contradictions_of_batch(self) -> Iterator[str]:
        if self.item is None:
            yield "batch_size over 1 needs item and <messages> in body"
        if self.idempotency_header is not None:
            yield "idempotency_header needs batch_size 1: a key belongs to one message"
        accepted = self.answer.accepted
        paths = (self.answer.message_id, accepted.path if accepted else None)
        if not any(paths) or any("[]" not in path for path in paths if path):
            yield (
                "batch_size over 1 needs paths with [] at answer.message_id or"
                " answer.accepted"
            )


def _left_out(given: set[str]) -> Iterator[str]:
    if given.isdisjoint(TO):
        yield "<to> or <to_digits> is missing: nothing says whom a message goes to"
    if "text" not in given:
        yield "<text> is missing: every message would be sent without its text"
