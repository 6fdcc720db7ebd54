"""
What a provider's HTTP answer says of each message of a request.

After a 2xx the message was most likely taken. An answer that then cannot be read (too
long, no JSON, no id, another number of items) is ``UNCERTAIN``, never a failure that
would be sent again, unless the settings want nothing from the body. No is said by a code
that the settings know, whatever stands beside it, and by another value where they name
the one of yes.

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

from batchwire.adapters.http.paths import AnswerPath, as_text
from batchwire.adapters.http.retry_after import Header, retry_after_s
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

_Short = tuple[Callable[[bytes], Any], tuple[Callable[[Any], Any], ...]]


class _Reply(msgspec.Struct, frozen=True, gc=False):
    """
    One HTTP answer; ``flaw`` says why it cannot be read.

    ``is_each``: what stands at a path with ``[]`` is about the message asked for.
    """

    status: int
    header: Header
    messages: Sequence[Message]
    tree: object
    flaw: str
    is_success: bool
    is_each: bool


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
        self._marks = _marks(self._codes_at) if self._codes else ()
        path = said.accepted.path if said.accepted else said.message_id
        self._flaws = {**_FLAWS, "answer_incomplete": f"without what `{path}` names"}
        self._statuses: Mapping[int, Ruling] = {**STATUSES, **settings.statuses}

    def read(
        self,
        status: int,
        header: Header,
        body: bytes | None,
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
            marks = self._marks
            if node and not (marks and any(mark in body for mark in marks)):
                return [Answer(Verdict.ACCEPTED, node)]
        tree, flaw = _tree(body)
        is_each = is_about_one or (is_success and self._items(tree) == len(messages))
        if is_success and not is_each:  # without items it may say no to all of them
            tree, flaw = None if self._items(tree) else tree, flaw or "answer_count"
        reply = _Reply(status, header, messages, tree, flaw, is_success, is_each)
        return [self._judge(reply, n) for n in range(len(messages))]

    def refuses_company(
        self, status: int, body: bytes | None, answers: Sequence[Answer]
    ) -> bool:
        """Whether a request of several messages was refused for good as a whole."""
        # A 2xx was only by a code that the settings know.
        is_possible = status // 100 in (2, 4)
        if not is_possible or answers[0].verdict is not Verdict.PERMANENT:
            return False
        tree, flaw = _tree(body)
        return flaw != "answer_too_long" and not self._items(tree)

    def shown(self, text: str) -> str:
        """Take secrets out of somebody else's text, and what a terminal acts on."""
        return printable(self._hide(text))[:_LONGEST_TEXT]

    def _items(self, tree: object) -> int:
        path = self._claim or self._id
        return path.count(tree) if path else 0

    def _judge(self, reply: _Reply, n: int) -> Answer:
        code, is_own = self._code(reply, n)
        is_listed = code in self._codes
        if reply.is_success:
            message_id = self._taken(reply, n)
            if message_id is not None and not (is_listed and is_own):
                return Answer(Verdict.ACCEPTED, message_id)
            if not (is_listed or self._says_no(reply, n)):
                return self._unclear(reply, n, code)
        ruling = self._codes.get(code) or of_status(reply.status, self._statuses)
        if ruling.verdict is Verdict.ACCEPTED:
            return Answer(Verdict.ACCEPTED, self._taken(reply, n) or "")
        may_wait = ruling.verdict in {Verdict.THROTTLED, Verdict.TRANSIENT}
        is_unknown = not is_listed and reply.status not in self._statuses
        return Answer(
            ruling.verdict,
            error_code=self._shown(code, reply, _LONGEST_CODE)
            or f"http_{reply.status}",
            error_message=self._text(reply, n),
            retry_after_s=retry_after_s(reply.header) if may_wait else None,
            suppress=ruling.suppress and is_own,
            is_unclear=ruling.verdict is Verdict.PERMANENT and is_unknown,
        )

    def _unclear(self, reply: _Reply, n: int, code: str) -> Answer:
        """Judge a 2xx in which nothing says that the message was taken, or was not."""
        if not (code or self._claim or self._id):
            return Answer(Verdict.ACCEPTED)  # nothing has to say so
        flaw = reply.flaw or "answer_incomplete"
        what = (
            "with a code that the settings do not know" if code else self._flaws[flaw]
        )
        return Answer(
            Verdict.UNCERTAIN,
            error_code=self._shown(code, reply, _LONGEST_CODE) or flaw,
            error_message=self._text(reply, n) or f"{reply.status} {what}",
            is_unclear=True,
        )

    def _taken(self, reply: _Reply, n: int) -> str | None:
        """Return the id of a message that was taken; None where that is not said."""
        if not reply.is_each:
            return None
        message_id = as_text(self._id.find(reply.tree, n)) if self._id else ""
        if self._claim is None:
            return message_id or None
        is_yes = as_text(self._claim.find(reply.tree, n)) in self._yes
        return message_id if is_yes else None

    def _says_no(self, reply: _Reply, n: int) -> bool:
        """Whether another value stands where ``accepted`` has that of yes."""
        if self._claim is None or not reply.is_each:
            return False
        return as_text(self._claim.find(reply.tree, n)) not in {"", *self._yes}

    def _code(self, reply: _Reply, n: int) -> tuple[str, bool]:
        """Return an error code, and whether it is this message's alone."""
        said, path = _first(self._codes_at, reply, n)
        if not said and self._claim:
            said, path = _first((self._claim,), reply, n)
            said = "" if said in self._yes else said
        is_own = len(reply.messages) == 1 or bool(path and path.is_per_message)
        return said, is_own

    def _text(self, reply: _Reply, n: int) -> str:
        text, _ = _first(self._texts_at, reply, n)
        is_redirect = reply.status // 100 == 3  # noqa: PLR2004 the class "redirection"
        if is_redirect and (location := reply.header("location")):
            text = f"redirects are not followed; does url have to be {location}?"
        return self._shown(text, reply, _LONGEST_TEXT)

    def _shown(self, text: str, reply: _Reply, most: int) -> str:
        """Take out secrets, the recipients' numbers, and what a terminal acts on."""
        tails = tuple(message.to[-_TAIL:] for message in reply.messages)

        def masked(found: re.Match[str]) -> str:
            digits = re.sub(r"\D", "", found[0])
            return f"…{digits[-2:]}" if digits.endswith(tails) else found[0]

        return _NUMBERS.sub(masked, printable(self._hide(text)))[:most]


def _first(
    paths: Sequence[AnswerPath], reply: _Reply, n: int
) -> tuple[str, AnswerPath | None]:
    for path in paths:
        if path.is_per_message and not reply.is_each:
            continue
        if text := as_text(path.find(reply.tree, n)):
            return text, path
    return "", None


def _marks(paths: Sequence[AnswerPath]) -> tuple[bytes, ...]:
    """Return what an answer surely has that has a value at one of the paths."""
    names = [[step for step in path.steps if isinstance(step, str)] for path in paths]
    return tuple(msgspec.json.encode(some[-1]) if some else b"" for some in names)


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


def _tree(body: bytes | None) -> tuple[object, str]:
    if body is None:
        return None, "answer_too_long"
    try:
        return _decode(body), ""
    except _UNREADABLE:
        pass
    try:
        return _decode(_text_of(bytes(body))), ""
    except _UNREADABLE:
        return None, "answer_not_json"


def _text_of(body: bytes) -> str:
    """Read what is not plain UTF-8, as far as an id or a code needs it."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")
