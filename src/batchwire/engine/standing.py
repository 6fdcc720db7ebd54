"""
Standing: how a provider stands with us, by what it answered.

It may be away, which opens the circuit until a trial succeeds, too slow for us, which
cuts the pace, or refuse us, until a person has mended that.
"""

from collections.abc import Sequence

import structlog

from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.domain.pacing import Circuit
from batchwire.domain.shared_pace import SharedPace
from batchwire.engine.settings import EngineSettings
from batchwire.ports.clock import Clock

_FAILURES = frozenset({Verdict.TRANSIENT, Verdict.CONNECTION, Verdict.UNCERTAIN})
_THEIRS = frozenset({Verdict.TRANSIENT, Verdict.THROTTLED})  # perhaps the recipients'
_TROUBLES = {
    Verdict.CONNECTION: "cannot be reached",
    Verdict.TRANSIENT: "takes nothing for now",
    Verdict.UNCERTAIN: "gives no clear answer",
}

log = structlog.get_logger()


class Standing:
    """Of one provider; ``name`` is its name in the settings."""

    def __init__(
        self, name: str, pace: SharedPace, clock: Clock, settings: EngineSettings
    ) -> None:
        self.circuit = Circuit(
            settings.circuit_failures,
            settings.circuit_max_delay_s,
            settings.circuit_patience_s,
        )
        self.trouble = ""  # what opened the circuit last
        self.refusal = ""  # why it cannot be used now: credentials, settings
        self._name = name
        self._pace = pace
        self._clock = clock

    def hear(
        self,
        messages: Sequence[Message],
        answers: Sequence[Answer],
        *,
        has_others: bool,
    ) -> bool:
        """
        Take what one call brought; whether the provider is to be used no more now.

        ``has_others``: whether somebody else waits for it.
        """
        verdicts = {answer.verdict for answer in answers}
        was_refused, is_away = self.refusal, False
        if verdicts - _FAILURES - {Verdict.THROTTLED}:
            self.circuit.succeeded(is_accepted=Verdict.ACCEPTED in verdicts)
        elif verdicts & _FAILURES:
            is_away = self._failed(messages, answers, has_others=has_others)
        for answer in answers:
            self._refused(answer)
        if Verdict.THROTTLED in verdicts:
            self._throttled(messages, answers)
        return is_away or self.refusal != was_refused

    def _failed(
        self,
        messages: Sequence[Message],
        answers: Sequence[Answer],
        *,
        has_others: bool,
    ) -> bool:
        """Count a failure; whether it opens the circuit."""
        attempts = {
            (message.batch_id, message.position): message.attempt
            for message, answer in zip(messages, answers, strict=True)
            if answer.verdict is Verdict.TRANSIENT
        }
        is_theirs = _THEIRS.issuperset(answer.verdict for answer in answers)
        now = self._clock.monotonic()
        if not self.circuit.failed(
            now, attempts if is_theirs else {}, has_others=has_others
        ):
            return False
        last = next(a for a in answers if a.verdict in _FAILURES)
        self.trouble = f"{_TROUBLES[last.verdict]}{_detail(last)}"
        if last.is_unclear:  # a trial would reach one more who is uncertain then
            asked = "do the settings say how it answers?"
            self.refusal = f"no clear answer{_detail(last)}; {asked}"
        log.warning(
            "provider_down",
            provider=self._name,
            error_code=last.error_code,
            reason=self.trouble,
        )
        return True

    def _refused(self, answer: Answer) -> None:
        """Learn from a refusal whether it is about us."""
        if answer.verdict is Verdict.CONFIGURATION:
            said = "refuses our credentials or account, or has another URL"
            self.refusal = f"{answer.error_message or said} ({answer.error_code})"
        elif (
            answer.verdict is Verdict.PERMANENT
            and answer.is_unclear
            and self.circuit.refuses_alike(answer.error_code)
        ):
            self.refusal = (
                f"refuses one like the other{_detail(answer)}; if that is about the"
                " recipients, list the code or status as permanent, and resume"
            )

    def _throttled(
        self, messages: Sequence[Message], answers: Sequence[Answer]
    ) -> None:
        pairs = zip(messages, answers, strict=True)
        refused = [(m, a) for m, a in pairs if a.verdict is Verdict.THROTTLED]
        whose = {(m.batch_id, m.position): m.parts for m, _ in refused}
        waits = [a.retry_after_s for _, a in refused if a.retry_after_s is not None]
        self._pace.throttled(self._clock.monotonic(), max(waits, default=None), whose)


def _detail(answer: Answer) -> str:
    """Say more of a failure, behind the word for it."""
    said, code = answer.error_message, answer.error_code
    if not (said and code):
        return f": {said or code}" if said or code else ""
    return f": {said} ({code})"
