"""What every provider must do (``ports.provider``)."""

import asyncio
from typing import ClassVar

from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.ports.provider import Provider


class ProviderContract:
    """
    Inherit, name the subclass ``Test…`` and give it the fixture ``provider``.

    ``provider`` is not opened yet and is closed afterwards by the fixture. Behind it
    every number is accepted with a message id of its own, but ``REFUSED``, which is
    refused for good.
    """

    REFUSED: ClassVar[str] = "+447700900999"

    async def test_an_accepted_message_has_the_id_of_the_provider(
        self, provider: Provider
    ) -> None:
        """Receipts are matched by it."""
        await provider.open()
        (answer,) = await provider.submit([_message(0)])
        assert answer.verdict is Verdict.ACCEPTED
        assert answer.provider_message_id
        assert answer.error_code == ""

    async def test_a_refusal_is_a_value_and_has_a_code(
        self, provider: Provider
    ) -> None:
        """Nothing is raised for what a provider says."""
        await provider.open()
        (answer,) = await provider.submit([_message(0, self.REFUSED)])
        assert answer.verdict is Verdict.PERMANENT
        assert answer.error_code
        assert answer.provider_message_id == ""

    async def test_a_full_batch_is_answered_in_order_and_number(
        self, provider: Provider
    ) -> None:
        """The last message of ``batch_size`` is refused, and only it is."""
        await provider.open()
        size = provider.traits.batch_size
        messages = [_message(n) for n in range(size - 1)]
        answers = await provider.submit([*messages, _message(size, self.REFUSED)])
        verdicts = [answer.verdict for answer in answers]
        assert verdicts == [Verdict.ACCEPTED] * (size - 1) + [Verdict.PERMANENT]

    async def test_submissions_at_once_do_not_mix_their_answers(
        self, provider: Provider
    ) -> None:
        """As many as ``concurrency`` allows; every third is refused."""
        await provider.open()
        numbers = [
            self.REFUSED if n % 3 == 0 else _number(n)
            for n in range(provider.traits.concurrency)
        ]
        answers = await asyncio.gather(
            *(provider.submit([_message(n, to)]) for n, to in enumerate(numbers))
        )
        flat = [answer for (answer,) in answers]
        refused = [answer.verdict is Verdict.PERMANENT for answer in flat]
        assert refused == [to == self.REFUSED for to in numbers]
        ids = _ids(flat)
        assert len(set(ids)) == len(ids)

    async def test_a_message_submitted_again_has_an_answer_again(
        self, provider: Provider
    ) -> None:
        """What is uncertain may be resent under the same key."""
        await provider.open()
        for _ in range(2):
            (answer,) = await provider.submit([_message(0)])
            assert answer.verdict is Verdict.ACCEPTED

    async def test_opening_and_closing_twice_is_harmless(
        self, provider: Provider
    ) -> None:
        """A closed provider opens again, and works."""
        await provider.open()
        await provider.open()
        await provider.submit([_message(0)])
        await provider.close()
        await provider.close()
        await provider.open()
        (answer,) = await provider.submit([_message(1)])
        assert answer.verdict is Verdict.ACCEPTED

    async def test_a_provider_that_was_never_opened_closes(
        self, provider: Provider
    ) -> None:
        """A start that fails half-way cleans up."""
        await provider.close()

    async def test_the_traits_are_known_before_opening_and_stay(
        self, provider: Provider
    ) -> None:
        """The engine plans with them."""
        before = provider.traits
        assert before.concurrency >= 1
        assert before.batch_size >= 1
        await provider.open()
        assert provider.traits == before


def _number(n: int) -> str:
    return f"+44781{n:07d}"


def _message(n: int, to: str = "") -> Message:
    return Message("contract", n, 1, to or _number(n), f"Hello {n}, “é” \U0001f600", 1)


def _ids(answers: list[Answer]) -> list[str]:
    return [a.provider_message_id for a in answers if a.verdict is Verdict.ACCEPTED]
