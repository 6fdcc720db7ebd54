"""Why the sandbox provider does not accept something; the codes are Twilio's."""

import msgspec

from batchwire.domain.outcome import Verdict


class Refusal(msgspec.Struct, frozen=True):
    """An answer that is no acceptance; ``suppress`` as in ``domain.outcome.Answer``."""

    verdict: Verdict
    code: str
    message: str
    retry_after_s: float | None = None
    suppress: bool = False


DOWN = Refusal(Verdict.TRANSIENT, "20503", "the service is down")
BUSY = Refusal(Verdict.TRANSIENT, "20503", "try again later")
BAD_CREDENTIALS = Refusal(Verdict.CONFIGURATION, "20003", "credentials refused")
OPTED_OUT = Refusal(
    Verdict.PERMANENT, "21610", "the recipient opted out", suppress=True
)

_UNKNOWN_SUBSCRIBER = "30005"


def unreachable(code: str) -> Refusal:
    """Refuse a recipient for good, with the code that is set for it."""
    return Refusal(
        Verdict.PERMANENT,
        code,
        "the number cannot be reached",
        suppress=code == _UNKNOWN_SUBSCRIBER,
    )


def throttled(retry_after_s: float) -> Refusal:
    """Refuse for now: the rate is used up."""
    return Refusal(
        Verdict.THROTTLED, "20429", "too many requests", retry_after_s=retry_after_s
    )
