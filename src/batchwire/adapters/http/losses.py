"""
What became of a request that got no answer.

pyreqwest's class names do not say it: it raises ``ConnectError`` for a connection that
was reset after the request, and ``ConnectTimeoutError`` for an answer that is late
(0.15, ``exceptions/utils.rs``). The chain of causes does: hyper-util names the stage
that failed, and only in stage ``Connect`` (name, TCP, proxy tunnel, TLS) has no byte of
the request been written. ``tests/adapters/http/test_faults.py`` holds this to be true.
"""

from pyreqwest.exceptions import (
    DecodeError,
    DetailedPyreqwestError,
    PyreqwestError,
    ReadError,
    ReadTimeoutError,
)

from batchwire.domain.outcome import Answer, Verdict

_BEFORE_THE_REQUEST = "client error (Connect)"
_NO_WAY_THROUGH = "proxy authorization required"  # a 407 to CONNECT
_GIVE_CREDENTIALS = (
    "the proxy wants credentials: put them into HTTPS_PROXY, as"
    " http://user:password@host:port"
)


def answer_of_loss(error: PyreqwestError) -> Answer:
    """
    Return ``CONNECTION`` where surely nothing was sent, else ``UNCERTAIN``.

    ``CONFIGURATION`` where a proxy wants credentials: trying again would not help.
    """
    causes = _causes(error)
    late = isinstance(error, TimeoutError)
    # the first cause is reqwest's own and quotes the URL: never compared, never shown
    is_before = _BEFORE_THE_REQUEST in causes[1:]
    if is_before and causes[-1].endswith(_NO_WAY_THROUGH):
        return Answer(
            Verdict.CONFIGURATION,
            error_code="http_407",
            error_message=_GIVE_CREDENTIALS,
        )
    if is_before:
        verdict, code = Verdict.CONNECTION, "connect_timeout" if late else "connect"
    else:
        verdict, code = Verdict.UNCERTAIN, "timeout" if late else "connection_lost"
    reason = causes[-1] if len(causes) > 1 else error.message
    return Answer(verdict, error_code=code, error_message=reason)


def is_of_body(error: PyreqwestError) -> bool:
    """Whether an answer had begun: its head came, its body did not."""
    return isinstance(error, ReadError | ReadTimeoutError | DecodeError)


def _causes(error: PyreqwestError) -> list[str]:
    if not isinstance(error, DetailedPyreqwestError):
        return []
    return [cause["message"] for cause in error.details["causes"] or ()]
