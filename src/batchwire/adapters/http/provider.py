"""The provider: one request, its answer, or what became of it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchwire.adapters.http.answers import AnswerReader
from batchwire.adapters.http.body import Render, compile_body
from batchwire.adapters.http.client import Client, build_client
from batchwire.adapters.http.connection import Loss
from batchwire.adapters.http.credentials import secrets_of
from batchwire.adapters.http.losses import PROXY_WANTS_CREDENTIALS, answer_of_loss
from batchwire.adapters.http.settings import HttpSettings
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.ports.provider import ProviderTraits

_OF_US = {Verdict.CONFIGURATION, Verdict.THROTTLED}


@dataclass(frozen=True, slots=True)
class _Session:
    """What exists between ``open`` and ``close``."""

    client: Client
    render: Render


class HttpProvider:
    """
    Submits messages to one HTTP API (``ports.provider.Provider``).

    ``name`` is the provider's name in the settings file; ``environment`` is where
    secrets are looked up when it opens.
    """

    def __init__(
        self,
        name: str,
        settings: HttpSettings,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings = settings
        self._secret, hide = secrets_of(name, environment)
        self._answers = AnswerReader(settings, hide)
        self._key_header = settings.idempotency_header
        self._session: _Session | None = None
        self._traits = ProviderTraits(
            name=name,
            concurrency=settings.concurrency,
            batch_size=settings.batch_size,
            rate_parts_per_s=settings.rate_parts_per_s,
            burst_parts=settings.burst_parts,
            honours_idempotency_key=settings.idempotency_header is not None,
        )

    @property
    def traits(self) -> ProviderTraits:
        """Constant for the life of the provider."""
        return self._traits

    async def open(self) -> None:
        """
        Read the secrets and make the client. Idempotent; connects to nothing.

        Raises:
            ProviderSettingsRefused: an environment variable or a file is missing or
                unusable.
        """
        if self._session is not None:
            return
        self._session = _Session(
            build_client(self._traits.name, self._settings, self._secret),
            compile_body(self._settings, self._secret),
        )

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """
        Send one request for 1 … ``batch_size`` messages; never again by itself.

        Where it is refused for good as a whole, that is said of all, ``in_company``.
        """
        if self._session is None:
            problem = "open() comes before submit()"
            raise RuntimeError(problem)
        key = b""
        if self._key_header is not None:
            key = f"{self._key_header}: {messages[0].key}\r\n".encode()
        body = self._session.render(messages)
        try:
            reply = await self._session.client.exchange(body, key)
        except Loss as loss:
            return self._of_loss(loss, messages)
        status, said = reply.status, reply.body
        if self._session.client.is_of_proxy(status):
            return [PROXY_WANTS_CREDENTIALS] * len(messages)
        answers = self._answers.read(status, reply.header, said, messages)
        if len(messages) > 1 and self._answers.refuses_company(status, said, answers):
            return [Answer(Verdict.PERMANENT, in_company=True)] * len(messages)
        return answers

    def _of_loss(self, loss: Loss, messages: Sequence[Message]) -> Sequence[Answer]:
        """
        Return what became of them.

        By the status alone only what refuses us, not a message: of the others the body
        that is lost might have said otherwise.
        """
        if (head := loss.head) is not None:
            answers = self._answers.read(head.status, head.header, None, messages)
            if answers[0].verdict in _OF_US:
                return answers
        return [answer_of_loss(loss, self._answers.shown)] * len(messages)

    async def close(self) -> None:
        """Close the connections. Idempotent; ``open`` may follow."""
        session, self._session = self._session, None
        if session is not None:
            session.client.close()
