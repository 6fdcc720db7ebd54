"""
What a provider's error code or HTTP status means for us (SMS-RULES.md, Errors).

A code beats the status it came with. Where neither is listed, ``of_status`` falls back
to the class of the status.
"""

from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from batchwire.domain.outcome import Verdict


class Ruling(BaseModel):
    """What an error code or an HTTP status means."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    verdict: Verdict = Field(description="Any verdict but `connection`.")
    suppress: bool = Field(
        default=False,
        description="The number opted out or does not exist: put it on the"
        " suppression list. Only with `permanent`.",
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.verdict is Verdict.CONNECTION:
            problem = "a provider that answers was reached: connection cannot be"
            raise ValueError(problem)
        if self.suppress and self.verdict is not Verdict.PERMANENT:
            problem = "suppress needs verdict permanent"
            raise ValueError(problem)
        return self


_CONFIGURATION = Ruling(verdict=Verdict.CONFIGURATION)
_PERMANENT = Ruling(verdict=Verdict.PERMANENT)
_SUPPRESS = Ruling(verdict=Verdict.PERMANENT, suppress=True)
_THROTTLED = Ruling(verdict=Verdict.THROTTLED)
_TRANSIENT = Ruling(verdict=Verdict.TRANSIENT)
_UNCERTAIN = Ruling(verdict=Verdict.UNCERTAIN)


def _table(*rows: tuple[Ruling, str]) -> Mapping[str, Ruling]:
    return {code: ruling for ruling, codes in rows for code in codes.split()}


# RFC 9110 chapter 15, RFC 6585. Of the 4xx only those that blame the message are
# permanent: a wrong URL or an empty account would otherwise fail a whole list.
STATUSES: Final = {
    int(status): ruling
    for status, ruling in _table(
        (_CONFIGURATION, "401 402 403 404 405 407 415"),
        (_UNCERTAIN, "408 409 504"),  # 409: this key or reference is already there
        (_TRANSIENT, "425 500 502 503"),
        (_THROTTLED, "429"),
    ).items()
}

# twilio.com/docs/api/errors
TWILIO: Final = _table(
    (
        _CONFIGURATION,
        "20003 20005 20404 21212 21601 21603 21606 21659 21660 30002 63038",
    ),
    (_THROTTLED, "20429 21611 30001 63017"),
    (_PERMANENT, "21211 21408 21608 21612 21614 21617 21635 30004 30006 30007"),
    (_SUPPRESS, "21610 30005"),
    (_TRANSIENT, "30003 30008"),
)

# developer.vonage.com/api-errors/sms; they come with HTTP status 200
VONAGE: Final = _table(
    (_THROTTLED, "1 10"),
    (_CONFIGURATION, "2 4 8 9 11 14 15 23 32"),
    (_PERMANENT, "3 6 12 22 29"),
    (_SUPPRESS, "7 33"),
    (_TRANSIENT, "5"),
)

# developers.telnyx.com/docs/messaging/messages/error-codes
TELNYX: Final = _table(
    (
        _CONFIGURATION,
        "10001 10004 10005 10009 10010 10014 10015 10017 20100 40013 40305",
    ),
    (_UNCERTAIN, "10008"),
    (_THROTTLED, "10011 40011"),
    (_PERMANENT, "10002 10016 40001 40009 40012 40310"),
    (_SUPPRESS, "40300"),
    (_TRANSIENT, "10007 40006"),
)

CODE_TABLES: Final[Mapping[str, Mapping[str, Ruling]]] = {
    "twilio": TWILIO,
    "vonage": VONAGE,
    "telnyx": TELNYX,
}


def of_status(status: int, table: Mapping[int, Ruling]) -> Ruling:
    """
    Return what an HTTP status means that came without a code we know.

    2xx: the body said that it refused. 3xx: redirects are not followed, the URL is
    wrong. 4xx: this message will never work. What else may have been accepted.
    """
    if (listed := table.get(status)) is not None:
        return listed
    match status // 100:
        case 2 | 4:
            return _PERMANENT
        case 3:
            return _CONFIGURATION
        case _:
            return _UNCERTAIN
