"""The sandbox provider in process."""

from collections.abc import Sequence

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.carrier import Carrier
from batchwire.adapters.sandbox.chance import Mishap
from batchwire.adapters.sandbox.refusal import Refusal
from batchwire.adapters.sandbox.tally import Stats
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.ports.clock import Clock
from batchwire.ports.provider import ProviderTraits

# A dripped answer takes as long as the HTTP server's would: so many bytes of it.
_ANSWER_BYTES = 150

_REFUSED = Answer(Verdict.CONNECTION, error_code="connection_refused")
_RESET = Answer(Verdict.UNCERTAIN, error_code="connection_reset")


class SandboxProvider:
    """
    Accepts messages, sends nothing, and misbehaves as it is told.

    Decides and counts with the same code as the HTTP server. ``name`` is its name in
    the settings; rate and keys are the behaviour's. Latency passes on ``clock``;
    receipts are POSTed in real time.
    """

    def __init__(
        self,
        behaviour: Behaviour = Behaviour(),  # noqa: B008 (frozen)
        *,
        clock: Clock,
        name: str = "sandbox",
    ) -> None:
        self._clock = clock
        self._carrier = Carrier(
            behaviour,
            monotonic=clock.monotonic,
            wall=lambda: clock.now().timestamp(),
        )
        self._traits = ProviderTraits(
            name=name,
            batch_size=100,
            rate_parts_per_s=behaviour.rate_parts_per_s,
            burst_parts=behaviour.burst_parts,
            honours_idempotency_key=behaviour.remembered_keys > 0,
        )
        self._away_until_s = 0.0

    @property
    def traits(self) -> ProviderTraits:
        """Constant: a later change of the behaviour does not show here."""
        return self._traits

    @property
    def behaviour(self) -> Behaviour:
        """How it behaves now."""
        return self._carrier.behaviour

    @property
    def stats(self) -> Stats:
        """What it counted, with how often every single recipient was accepted."""
        return self._carrier.tally.stats(of_everyone=True)

    def change(self, behaviour: Behaviour) -> None:
        """Behave like this from now on."""
        self._carrier.change(behaviour)

    def reset(self) -> None:
        """Forget counts, recipients and keys."""
        self._carrier.reset()

    def refuse_connections(self, duration_s: float) -> None:
        """Be out of reach for so long: nothing arrives, nothing is counted."""
        self._away_until_s = self._clock.monotonic() + duration_s

    async def open(self) -> None:
        """Nothing is needed."""

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """Submit 1 or more messages; see ``ports.provider``."""
        if self._away_until_s and self._clock.monotonic() < self._away_until_s:
            return [_REFUSED] * len(messages)
        carrier = self._carrier
        mishap = carrier.begin()
        delay_s = carrier.latency_s()
        if mishap is Mishap.RESET_BEFORE:
            answers = [_RESET] * len(messages)
        elif (refusal := carrier.refusal()) is not None:
            answers = [_answer(refusal)] * len(messages)
        else:
            answers = [self._submit_one(message) for message in messages]
        if mishap is Mishap.RESET_AFTER:
            answers = [_RESET] * len(messages)
        elif mishap is Mishap.DRIP:
            delay_s += _ANSWER_BYTES * carrier.behaviour.drip_ms / 1000
        if delay_s:
            await self._clock.sleep(delay_s)
        return answers

    async def close(self) -> None:
        """Drop the receipts that still wait."""
        await self._carrier.receipts.close()

    def _submit_one(self, message: Message) -> Answer:
        key = message.key
        answer = self._carrier.submit(
            message.to, message.text, key=key, reference=key, parts=message.parts
        )
        return _answer(answer)


def _answer(answer: str | Refusal) -> Answer:
    if isinstance(answer, str):
        return Answer(Verdict.ACCEPTED, provider_message_id=answer)
    return Answer(
        answer.verdict,
        error_code=answer.code,
        error_message=answer.message,
        retry_after_s=answer.retry_after_s,
        suppress=answer.suppress,
    )
