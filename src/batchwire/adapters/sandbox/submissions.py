"""``POST /messages``: submitting one message, or several, to the sandbox server."""

from http import HTTPStatus
from typing import Annotated

import msgspec

from batchwire.adapters.sandbox import replies
from batchwire.adapters.sandbox.carrier import Carrier
from batchwire.adapters.sandbox.chance import Mishap
from batchwire.adapters.sandbox.refusal import Refusal
from batchwire.adapters.sandbox.replies import Reply
from batchwire.adapters.sandbox.requests import UNREADABLE_JSON, Request
from batchwire.domain.outcome import Verdict

Filled = Annotated[str, msgspec.Meta(min_length=1)]


class Item(msgspec.Struct, frozen=True, gc=False):
    """One message of several; ``key`` is its idempotency key."""

    to: Filled
    text: Filled
    key: str = ""
    reference: str = ""


class Body(msgspec.Struct, frozen=True, gc=False):
    """One message, or several in ``messages``; ``reference`` comes with its receipt."""

    to: str = ""
    text: str = ""
    key: str = ""
    reference: str = ""
    messages: Annotated[list[Item], msgspec.Meta(min_length=1)] | None = None


_BODY = msgspec.json.Decoder(Body)


def submit(carrier: Carrier, request: Request) -> Reply:
    """
    Ask the carrier and answer as it decides.

    201 with the id for one accepted message; 200 for several if all are accepted, 207
    if not, 429 if all are throttled. An Idempotency-Key counts for a single message.
    """
    mishap = carrier.begin()
    delay_s = carrier.latency_s()
    if mishap is Mishap.RESET_BEFORE:
        return Reply(b"", delay_s, is_reset=True)
    refusal = carrier.refusal()
    data = _accept(carrier, request) if refusal is None else replies.refused(refusal)
    if mishap is Mishap.NONE:
        return Reply(data, delay_s)
    if mishap is Mishap.RESET_AFTER:
        return Reply(b"", delay_s, is_reset=True)
    return Reply(data, delay_s, drip_s=carrier.behaviour.drip_ms / 1000)


def _accept(carrier: Carrier, request: Request) -> bytes:
    try:
        it = _BODY.decode(request.body)
    except UNREADABLE_JSON as problem:
        return _bad_request(carrier, str(problem))
    if it.messages is not None:
        return _accept_all(carrier, it.messages)
    if not (it.to and it.text):
        return _bad_request(carrier, "`to` and `text`, or `messages`, are required")
    answer = carrier.submit(
        it.to, it.text, key=request.key or it.key, reference=it.reference
    )
    if isinstance(answer, str):
        return replies.accepted(answer)
    return replies.refused(answer)


def _accept_all(carrier: Carrier, messages: list[Item]) -> bytes:
    answers = [
        carrier.submit(it.to, it.text, key=it.key, reference=it.reference)
        for it in messages
    ]
    refusals = [answer for answer in answers if isinstance(answer, Refusal)]
    throttled = [it for it in refusals if it.verdict is Verdict.THROTTLED]
    if len(throttled) == len(answers):
        return replies.refused(throttled[0])
    status = HTTPStatus.MULTI_STATUS if refusals else HTTPStatus.OK
    return replies.render_json(status, {"messages": [*map(replies.item, answers)]})


def _bad_request(carrier: Carrier, problem: str) -> bytes:
    carrier.tally.counts.bad_requests += 1
    return replies.error(HTTPStatus.BAD_REQUEST, problem)
