"""What a doctor of the connection finds: values, for a person or as JSON."""

from dataclasses import dataclass
from enum import StrEnum

from batchwire.adapters.kafka.connection import KafkaConnectionSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """
    What is examined: the connection, and what the service needs behind it.

    It reads and writes ``topic`` and ``dead_letters``, the first as ``group_id``. No
    question to a broker takes longer than ``timeout_s``.
    """

    connection: KafkaConnectionSettings
    topic: str
    dead_letters: str
    group_id: str
    timeout_s: float = 10.0


class Check(StrEnum):
    """The steps, in the order in which a connection needs them."""

    NAME = "name"
    PORT = "port"
    TLS = "tls"
    SASL = "sasl"
    METADATA = "metadata"
    LISTENERS = "listeners"
    TOPIC = "topic"
    AUTHORISATION = "authorisation"
    LAG = "lag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    One step: whether it holds, what was seen, and what to do where it does not hold.

    A step that the settings do not ask for holds, and says so.
    """

    check: Check
    is_ok: bool
    seen: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """
    What waits for the group; ``has_readers`` where one of its members is there.

    ``uncommitted`` counts partitions of which it has committed nothing yet; all of
    their records wait.
    """

    group_id: str
    records: int
    partitions: int
    uncommitted: int
    has_readers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All steps up to the first that fails, and the lag where it came to that."""

    steps: tuple[Step, ...]
    lag: Lag | None = None

    @property
    def failed(self) -> Step | None:
        """The step that does not hold."""
        return next((step for step in self.steps if not step.is_ok), None)


def held(check: Check, seen: str) -> Step:
    """Make a step that holds."""
    return Step(check=check, is_ok=True, seen=seen)


def failed(check: Check, seen: str, remedy: str) -> Step:
    """Make a step that does not hold."""
    return Step(check=check, is_ok=False, seen=seen, remedy=remedy)
