"""
What a provider's HTTP answer says of each message of a request.

After a 2xx the message was most likely taken. An answer that then cannot be read (too
long, no JSON, no id, another number of items) is ``UNCERTAIN``, never a failure that
would be sent again, unless the settings want nothing from the body.

An answer that is not 2xx is about the whole request: where that carried several
messages, paths with ``[]`` find nothing in it and no number is suppressed for it.
Where it refuses for good and has no items, ``refuses_company``: none of them was taken,
and perhaps one of them spoilt it for the others.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Final

import msgspec
from pyreqwest.bytes import Bytes

from batchwire.adapters.http.paths import AnswerPath, as_text
from batchwire.adapters.http.retry_after import Header, header_text, retry_after_s
from batchwire.adapters.http.rulings import CODE_TABLES, STATUSES, Ruling, of_status
from batchwire.adapters.http.settings import HttpSettings
from batchwire.domain.outcome import Answer, Message, Verdict
from batchwire.domain.printable import printable

_LONGEST_TEXT: Final = 200
_LONGEST_CODE: Final = 100
_FLAWS: Final = {
    "answer_too_long": "with more than max_answer_bytes",
    "answer_not_json": "with no JSON",
    "answer_count": "for another number of messages",
}
_TAIL: Final = 6  # digits by which a number is known, whatever stands before them
_NUMBERS: Final = re.compile(r"\d(?:[ ()./-]{0,2}\d){5,}")
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOT_SHORT: Final = (*_UNREADABLE, IndexError)
_decode = msgspec.json.Decoder().decode

_Short = tuple[Callable[[Bytes | bytes], Any], tuple[Callable[[Any], Any], ...]]


class _Reply(msgspec.Struct, frozen=True, gc=False):
    """One HTTP answer; ``flaw`` says why ``tree`` is None."""

    status: int
    header: Header
    messages: Sequence[Message]
    tree: object
    flaw: str
    is_success: bool
    is_about_one: bool


class AnswerReader:
    """
    The part of the settings that reads answers, compiled.

    ``hide`` takes our secrets out of what is kept and shown.
    """

    def __init__(
        self, settings: HttpSettings, hide: Callable[[str], str] = str
    ) -> None:
        said = settings.answer
        self._hide = hide
        self._id = AnswerPath.parse(said.message_id) if said.message_id else None
        self._short = None if said.accepted or not self._id else _short(self._id)
        self._codes_at = tuple(map(AnswerPath.parse, said.error_code))
        self._texts_at = tuple(map(AnswerPath.parse, said.error_message))
        self._claim = AnswerPath.parse(said.accepted.path) if said.accepted else None
        self._yes = {
            as_text(v) for v in (said.accepted.values if said.accepted else ())
        }
        self._codes: Mapping[str, Ruling] = {
            **CODE_TABLES.get(settings.code_table or "", {}),
            **settings.codes,
        }
        path = said.accepted.path if said.accepted else said.message_id
        self._flaws = {**_FLAWS, "answer_incomplete": f"without what `{path}` names"}
        self._statuses: Mapping[int, Ruling] = {**STATUSES, **settings.statuses}

    def read(
        self,
        status: int,
        header: Header,
        body: Bytes | bytes | None,
        messages: Sequence[Message],
    ) -> list[Answer]:
        """
        Return one answer for each message, in their order.

        ``header`` looks up a header of the answer; ``body`` is None where it was longer
        than ``max_answer_bytes``.
        """
        is_success = 200 <= status < 300  # noqa: PLR2004 the class "successful"
        is_about_one = len(messages) == 1
        if self._short and is_success and is_about_one and body is not None:
            decode, steps = self._short
            try:
                node = decode(body)
                for step in steps:
                    node = step(node)
            except _NOT_SHORT:
                node = ""
            if node:
                return [Answer(Verdict.ACCEPTED, node)]
        tree, flaw = _tree(body)
        if is_success and not is_about_one and self._items(tree) != len(messages):
            tree, flaw = None, flaw or "answer_count"
        reply = _Reply(status, header, messages, tree, flaw, is_success, is_about_one)
        judge = self._of_success if is_success else self._of_refusal
        return [judge(reply, n) for n in range(len(messages))]

    def refuses_company(
        self, status: int, body: Bytes | bytes | None, answers: Sequence[Answer]
    ) -> bool:
        """Whether a request of several messages was refused for good as a whole."""
        is_client_error = status // 100 == 4  # noqa: PLR2004 the class "client error"
        if not is_client_error or answers[0].verdict is not Verdict.PERMANENT:
            return False
        tree, flaw = _tree(body)
        return flaw != "answer_too_long" and not self._items(tree)

    def _items(self, tree: object) -> int:
        path = self._claim or self._id
        return path.count(tree) if path else 0

    def _taken(self, tree: object, n: int) -> str | None:
        """Return the id of a message that was taken; None where that is not said."""
        message_id = as_text(self._id.find(tree, n)) if self._id else ""
        if self._claim is None:
            return message_id or None
        return message_id if as_text(self._claim.find(tree, n)) in self._yes else None

    def _of_success(self, reply: _Reply, n: int) -> Answer:
        message_id = self._taken(reply.tree, n)
        if message_id is not None:
            return Answer(Verdict.ACCEPTED, message_id)
        if self._code(reply, n):
            return self._of_refusal(reply, n)
        if self._claim or self._id:
            code = reply.flaw or "answer_incomplete"
            text = f"{reply.status} {self._flaws[code]}"
            return Answer(
                Verdict.UNCERTAIN, error_code=code, error_message=text, is_unclear=True
            )
        return Answer(Verdict.ACCEPTED)

    def _of_refusal(self, reply: _Reply, n: int) -> Answer:
        code = self._code(reply, n)
        ruling = self._codes.get(code) or of_status(reply.status, self._statuses)
        throttled = ruling.verdict is Verdict.THROTTLED
        return Answer(
            ruling.verdict,
            error_code=printable(self._hide(code))[:_LONGEST_CODE]
            or f"http_{reply.status}",
            error_message=self._text(reply, n),
            retry_after_s=retry_after_s(reply.header) if throttled else None,
            suppress=ruling.suppress and (reply.is_success or reply.is_about_one),
        )

    def _code(self, reply: _Reply, n: int) -> str:
        said = _first(self._codes_at, reply, n)
        return said or (_first((self._claim,), reply, n) if self._claim else "")

    def _text(self, reply: _Reply, n: int) -> str:
        text = _first(self._texts_at, reply, n)
        is_redirect = reply.status // 100 == 3  # noqa: PLR2004 the class "redirection"
        if is_redirect and (location := header_text(reply.header, "location")):
            text = f"redirects are not followed; does url have to be {location}?"
        tails = tuple(message.to[-_TAIL:] for message in reply.messages)

        def masked(found: re.Match[str]) -> str:
            digits = re.sub(r"\D", "", found[0])
            return f"…{digits[-2:]}" if digits.endswith(tails) else found[0]

        return _NUMBERS.sub(masked, printable(self._hide(text)))[:_LONGEST_TEXT]


def _first(paths: Sequence[AnswerPath], reply: _Reply, n: int) -> str:
    for path in paths:
        if path.is_per_message and not (reply.is_success or reply.is_about_one):
            continue
        if text := as_text(path.find(reply.tree, n)):
            return text
    return ""


def _short(path: AnswerPath) -> _Short:
    """
    Return how to read an id that is a text, as in nearly every answer to one message.

    Nothing else of the answer is made into objects, and no frame of Python runs.
    """
    kind: Any = str
    steps: list[Callable[[Any], Any]] = []
    for step in reversed(path.steps):
        if isinstance(step, str):
            kind = msgspec.defstruct("Said", [("it", kind)], rename={"it": step})
            steps.append(attrgetter("it"))
        else:
            kind = list[kind]
            steps.append(itemgetter(max(step, 0)))  # the first for "each"
    return msgspec.json.Decoder(kind).decode, tuple(reversed(steps))


def _tree(body: Bytes | bytes | None) -> tuple[object, str]:
    if body is None:
        return None, "answer_too_long"
    try:
        return _decode(body), ""
    except _UNREADABLE:
        return None, "answer_not_json"
