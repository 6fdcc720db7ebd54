"""The sandbox provider in process."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from batchwire.adapters.sandbox import Behaviour, SandboxProvider
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.ports.provider import Provider
from batchwire.testing.clock import ManualClock
from batchwire.testing.contracts.provider import ProviderContract


class TestSandboxProviderKeepsTheContract(ProviderContract):
    """The suite that every provider passes."""

    @pytest.fixture
    async def provider(self) -> AsyncIterator[Provider]:
        """Give one that refuses the number of the contract."""
        behaviour = Behaviour(permanent_suffix=self.REFUSED)
        provider = SandboxProvider(behaviour, clock=ManualClock())
        yield provider
        await provider.close()


def sandbox(**behaviour: object) -> SandboxProvider:
    return SandboxProvider(Behaviour().changed(behaviour), clock=ManualClock())


def message(n: int = 1, attempt: int = 1, parts: int = 1) -> Message:
    return Message("b1", n, attempt, f"+49171{n:08d}", "Hi", parts)


async def answer(provider: SandboxProvider, *messages: Message) -> Answer:
    """Submit these, or one; give what all of them were answered."""
    answers = await provider.submit(messages or [message()])
    assert len(answers) == max(1, len(messages))
    return answers[0]


@pytest.mark.parametrize(
    ("behaviour", "verdict", "code", "suppress"),
    [
        ({"permanent_rate": 1.0}, Verdict.PERMANENT, "30005", True),
        (
            {"permanent_rate": 1.0, "permanent_code": "30006"},
            Verdict.PERMANENT,
            "30006",
            False,
        ),
        ({"optout_rate": 1.0}, Verdict.PERMANENT, "21610", True),
        ({"transient_rate": 1.0}, Verdict.TRANSIENT, "20503", False),
        ({"down": True}, Verdict.TRANSIENT, "20503", False),
        ({"refuse_credentials": True}, Verdict.CONFIGURATION, "20003", False),
        ({"reset_rate": 1.0}, Verdict.UNCERTAIN, "connection_reset", False),
    ],
)
async def test_what_is_refused_has_its_verdict_and_code(
    behaviour: dict[str, Any], verdict: Verdict, code: str, *, suppress: bool
) -> None:
    given = await answer(sandbox(**behaviour))
    assert (given.verdict, given.error_code) == (verdict, code)
    assert given.suppress is suppress


async def test_a_throttled_message_knows_when_to_come_again() -> None:
    clock = ManualClock()
    provider = SandboxProvider(
        Behaviour(rate_parts_per_s=10, burst_parts=3), clock=clock
    )
    first = await answer(provider, message(1, parts=2))
    second = await answer(provider, message(2, parts=2))
    assert (first.verdict, second.verdict) == (Verdict.ACCEPTED, Verdict.THROTTLED)
    assert second.retry_after_s == pytest.approx(0.1)
    await clock.advance(0.1)
    assert (await answer(provider, message(2, parts=2))).verdict is Verdict.ACCEPTED


async def test_latency_passes_on_the_clock() -> None:
    clock = ManualClock()
    provider = SandboxProvider(Behaviour(latency_ms=250), clock=clock)
    submitting = asyncio.create_task(answer(provider))
    await clock.advance(0.249)
    assert provider.stats.accepted == 1
    assert not submitting.done()
    await clock.advance(0.001)
    assert (await submitting).verdict is Verdict.ACCEPTED


async def test_a_dripped_answer_takes_its_time() -> None:
    clock = ManualClock()
    provider = SandboxProvider(Behaviour(slow_drip_rate=1.0, drip_ms=100), clock=clock)
    submitting = asyncio.create_task(answer(provider))
    await clock.advance(1)
    assert not submitting.done()
    await clock.advance(60)
    assert (await submitting).verdict is Verdict.ACCEPTED


async def test_while_connections_are_refused_nothing_arrives() -> None:
    clock = ManualClock()
    provider = SandboxProvider(clock=clock)
    provider.refuse_connections(30)
    assert (await answer(provider)).verdict is Verdict.CONNECTION
    assert provider.stats.requests == 0
    await clock.advance(30)
    assert (await answer(provider)).verdict is Verdict.ACCEPTED


async def test_half_of_what_is_uncertain_was_accepted() -> None:
    provider = sandbox(reset_rate=1.0, seed=3)
    for n in range(100):
        assert (await answer(provider, message(n))).verdict is Verdict.UNCERTAIN
    assert 30 <= provider.stats.accepted <= 70


async def test_an_uncertain_message_sent_again_is_accepted_once() -> None:
    provider = sandbox(reset_rate=1.0)
    while not provider.stats.accepted:
        await answer(provider)
    provider.change(provider.behaviour.changed({"reset_rate": 0}))
    assert (await answer(provider)).verdict is Verdict.ACCEPTED
    assert provider.stats.recipients == {message().to: 1}
    assert provider.stats.duplicates == 1


async def test_a_further_attempt_is_a_message_of_its_own() -> None:
    provider = sandbox()
    first = await answer(provider, message(attempt=1))
    second = await answer(provider, message(attempt=2))
    assert first.provider_message_id != second.provider_message_id
    assert provider.stats.repeated_recipients == 1


async def test_the_same_seed_decides_the_same() -> None:
    rates = {"permanent_rate": 0.2, "optout_rate": 0.2, "transient_rate": 0.2}
    messages = [message(n) for n in range(100)]
    first, again, other = [
        [it.verdict for it in await sandbox(seed=seed, **rates).submit(messages)]
        for seed in (1, 1, 2)
    ]
    assert first == again != other
    assert set(first) == {Verdict.ACCEPTED, Verdict.PERMANENT, Verdict.TRANSIENT}


async def test_a_reset_forgets_what_was_counted() -> None:
    provider = sandbox()
    await answer(provider)
    provider.reset()
    assert (provider.stats.accepted, provider.stats.recipients) == (0, {})


def test_the_traits_follow_from_the_behaviour_and_the_name() -> None:
    traits = sandbox(rate_parts_per_s=10, burst_parts=5, remembered_keys=0).traits
    assert (traits.rate_parts_per_s, traits.burst_parts) == (10, 5)
    assert not traits.honours_idempotency_key
    assert sandbox().traits.honours_idempotency_key
    assert SandboxProvider(clock=ManualClock(), name="mine").traits.name == "mine"
