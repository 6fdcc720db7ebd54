"""The provider: one request, its answer, or what became of it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyreqwest.client import Client
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.request import RequestBody, StreamRequest
from pyreqwest.response import Response

from batchwire.adapters.http.answers import AnswerReader
from batchwire.adapters.http.body import Render, compile_body
from batchwire.adapters.http.client import blank_request, build_client
from batchwire.adapters.http.credentials import secrets_of
from batchwire.adapters.http.losses import answer_of_loss, is_of_body
from batchwire.adapters.http.settings import HttpSettings
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.ports.provider import ProviderTraits

_OF_US = {Verdict.CONFIGURATION, Verdict.THROTTLED}


@dataclass(slots=True)
class _Session:
    """
    What exists between ``open`` and ``close``.

    A ``blank`` is a request complete but for its body, copied for each message. Where
    the body of an answer is lost its status is known only if the head was read first,
    which takes 4 µs more: so it is until somebody is accepted, and again once an answer
    was cut off.
    """

    client: Client
    render: Render
    head_first: StreamRequest
    once_accepted: StreamRequest  # the blank when somebody is accepted
    blank: StreamRequest


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
        client = build_client(self._traits.name, self._settings)
        most = self._settings.max_answer_bytes + 1
        head_first, in_one_hop = (
            blank_request(client, self._settings, self._secret, with_head_bytes)
            for with_head_bytes in (0, most)
        )
        self._session = _Session(
            client=client,
            render=compile_body(self._settings, self._secret),
            head_first=head_first,
            once_accepted=in_one_hop,
            blank=head_first,
        )

    async def submit(self, messages: Sequence[Message]) -> Sequence[Answer]:
        """
        Send one request for 1 … ``batch_size`` messages; never again by itself.

        Where it is refused for good as a whole, that is said of all, ``in_company``.
        """
        if self._session is None:
            problem = "open() comes before submit()"
            raise RuntimeError(problem)
        session, most = self._session, self._settings.max_answer_bytes
        body = RequestBody.from_bytes(session.render(messages))
        request = StreamRequest.from_request_and_body(session.blank, body)
        if self._key_header is not None:
            request.headers[self._key_header] = messages[0].key
        response: Response | None = None
        try:
            async with request as response:
                # not bytes(): that allocates whatever Content-Length claims
                text = await response.body_reader.read(most + 1) or b""
        except PyreqwestError as error:
            if is_of_body(error):
                session.once_accepted = session.blank = session.head_first
            return self._of_loss(error, response, messages)
        said = text if len(text) <= most else None
        status = response.status
        answers = self._answers.read(status, response.get_header, said, messages)
        if answers[0].verdict is Verdict.ACCEPTED:
            session.blank = session.once_accepted
        if len(messages) > 1 and self._answers.refuses_company(status, said, answers):
            return [Answer(Verdict.PERMANENT, in_company=True)] * len(messages)
        return answers

    def _of_loss(
        self,
        error: PyreqwestError,
        response: Response | None,
        messages: Sequence[Message],
    ) -> Sequence[Answer]:
        """
        Return what became of them; ``response`` is the head, where it came.

        By the status alone only what refuses us, not a message: of the others the body
        that is lost might have said otherwise.
        """
        if response is not None:
            header = response.get_header
            answers = self._answers.read(response.status, header, None, messages)
            if answers[0].verdict in _OF_US:
                return answers
        return [answer_of_loss(error)] * len(messages)

    async def close(self) -> None:
        """Close the connections. Idempotent; ``open`` may follow."""
        session, self._session = self._session, None
        if session is not None:
            await session.client.close()
