"""
What becomes of a recipient, and what a provider says of one message.

An outcome is one byte in the ledger. The verdict classes are those of the trade
(SMPP 3.4 chapter 5.1.3, HTTP status codes): whose fault it was decides what is next.
"""

from enum import IntEnum, StrEnum

import msgspec


class Outcome(IntEnum):
    """
    Where one recipient stands; the value is the byte stored in result segments.

    The closed ledger: the recipients of a batch are the sum over all of these.
    """

    OPEN = 0  # prepared; to be submitted (again): moved on by delivery
    INVALID = 1  # number or parameters unusable: for good
    DUPLICATE = 2  # an earlier recipient of the list has the same number: for good
    SUPPRESSED = 3  # opted out or unknown subscriber: for good
    ACCEPTED = 4  # the provider took it: moved on by its receipt
    DELIVERED = 5  # receipt: on the handset
    UNDELIVERED = 6  # receipt: never arrives
    FAILED = 7  # refused for good, or out of attempts: moved on by retry
    EXPIRED = 8  # not submitted before not_after or the stall time-out: retry
    ABORTED = 9  # not submitted because an operator ended the batch: for good
    UNCERTAIN = 10  # submitted, answer unknown: moved on by retry


RETRYABLE = (Outcome.FAILED, Outcome.EXPIRED, Outcome.UNCERTAIN)


class Verdict(StrEnum):
    """The class of a provider's answer to one submission."""

    ACCEPTED = "accepted"
    THROTTLED = "throttled"  # flow control: not an attempt, cut the rate, goes last
    TRANSIENT = "transient"  # an attempt that failed; another may succeed
    CONNECTION = "connection"  # surely never reached the provider: not an attempt
    UNCERTAIN = "uncertain"  # may or may not have been accepted
    CONFIGURATION = "configuration"  # credentials or account: not an attempt, pause
    PERMANENT = "permanent"  # this recipient will never work


class Message(msgspec.Struct, frozen=True, gc=False):
    """
    One rendered SMS on its way to a provider.

    ``position`` is the recipient's 0-based place in its list; ``attempt`` starts at 1
    and stays the same when an uncertain submission is repeated.
    """

    batch_id: str
    position: int
    attempt: int
    to: str
    text: str
    parts: int

    @property
    def key(self) -> str:
        """Idempotency key: the same for every submission of this attempt."""
        return f"{self.batch_id}:{self.position}:{self.attempt}"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """
    What the provider said of one message.

    ``error_code`` is the provider's own code (``"21610"``), or ours where it gave none
    (``"http_503"``, ``"timeout"``). ``retry_after_s`` comes with a throttled verdict, or
    a transient one. ``suppress`` says that the number opted out or does not exist.
    ``in_company``: a request of several was refused for good as a whole; none was taken,
    and perhaps one is to blame. ``is_unclear``: it came, and is not as the settings say
    answers are; of a refusal they do not know the code.
    """

    verdict: Verdict
    provider_message_id: str = ""
    error_code: str = ""
    error_message: str = ""
    retry_after_s: float | None = None
    suppress: bool = False
    in_company: bool = False
    is_unclear: bool = False
