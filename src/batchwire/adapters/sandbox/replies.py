"""The sandbox provider's answers as bytes of HTTP/1.1 (RFC 9112)."""

import math
from http import HTTPStatus

import msgspec

from batchwire.adapters.sandbox.refusal import Refusal
from batchwire.domain.outcome import Verdict

_STATUS = {
    Verdict.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    Verdict.TRANSIENT: HTTPStatus.SERVICE_UNAVAILABLE,
    Verdict.CONFIGURATION: HTTPStatus.UNAUTHORIZED,
    Verdict.PERMANENT: HTTPStatus.BAD_REQUEST,
}


class Reply(msgspec.Struct, frozen=True, gc=False):
    """
    An answer and how it travels.

    It begins ``delay_s`` after the request; its bytes come ``drip_s`` apart, all at
    once where that is 0. ``is_reset``: the connection is reset instead.
    """

    data: bytes
    delay_s: float = 0.0
    drip_s: float = 0.0
    is_reset: bool = False


class Error(msgspec.Struct, frozen=True):
    """What is wrong: a stable code, and a sentence."""

    code: str
    message: str


class Accepted(msgspec.Struct, frozen=True):
    """The answer to a message that was accepted; ``id`` has 32 hex digits."""

    id: str
    status: str = "accepted"


class Refused(msgspec.Struct, frozen=True):
    """The answer to anything else."""

    error: Error


def item(answer: str | Refusal) -> Accepted | Refused:
    """Say what became of a message: its id, or why not."""
    if isinstance(answer, str):
        return Accepted(answer)
    return Refused(Error(answer.code, answer.message))


def render_json(status: HTTPStatus, value: object, *headers: bytes) -> bytes:
    """Write an answer; ``headers`` are whole lines without their end."""
    body = msgspec.json.encode(value)
    lines = [
        b"HTTP/1.1 %d %s" % (status, status.phrase.encode()),
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join([*lines, b"", body])


def error(status: HTTPStatus, message: str, *headers: bytes) -> bytes:
    """Write ``{"error": {"code", "message"}}`` with the code ``http_`` and status."""
    return _error(status, f"http_{status}", message, *headers)


_SAMPLE_ID = "0" * 32
_SAMPLE = render_json(HTTPStatus.CREATED, Accepted(_SAMPLE_ID))
_BEFORE_ID, _AFTER_ID = _SAMPLE.split(_SAMPLE_ID.encode())


def accepted(message_id: str) -> bytes:
    """Write the answer to one accepted message."""
    return _BEFORE_ID + message_id.encode() + _AFTER_ID


def refused(refusal: Refusal) -> bytes:
    """Write the answer to a refused message or request (RFC 9110, RFC 6585)."""
    headers = []
    if refusal.retry_after_s is not None:
        headers.append(b"Retry-After: %d" % math.ceil(refusal.retry_after_s))
    if refusal.verdict is Verdict.CONFIGURATION:
        headers.append(b"WWW-Authenticate: Bearer")
    status = _STATUS[refusal.verdict]
    return _error(status, refusal.code, refusal.message, *headers)


def _error(status: HTTPStatus, code: str, message: str, *headers: bytes) -> bytes:
    return render_json(status, Refused(Error(code, message)), *headers)
