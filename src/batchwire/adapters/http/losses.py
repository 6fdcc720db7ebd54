"""What became of a request that got no answer."""

from collections.abc import Callable
from http import HTTPStatus

from batchwire.adapters.http.connection import Loss
from batchwire.domain.outcome import Answer, Verdict

PROXY_WANTS_CREDENTIALS = Answer(
    Verdict.CONFIGURATION,
    error_code="http_407",
    error_message="the proxy wants credentials: put them into the environment variable"
    " that names it, as http://user:password@host:port",
)


def answer_of_loss(loss: Loss, shown: Callable[[str], str]) -> Answer:
    """
    Return ``CONNECTION`` where surely nothing was sent, else ``UNCERTAIN``.

    ``CONFIGURATION`` where a proxy wants credentials: trying again would not help.
    ``shown`` makes of a reason what may be kept and shown.
    """
    if loss.proxy_status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return PROXY_WANTS_CREDENTIALS
    if loss.is_sent:
        verdict = Verdict.UNCERTAIN
        code = "timeout" if loss.is_late else "connection_lost"
    else:
        verdict = Verdict.CONNECTION
        code = "connect_timeout" if loss.is_late else "connect"
    return Answer(verdict, error_code=code, error_message=shown(loss.reason))
