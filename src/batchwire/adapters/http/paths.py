"""Where a value stands in a provider's JSON answer: ``id``, ``messages[].id``."""

import re
from dataclasses import dataclass

_STEP = re.compile(r"(?:^|(?!^)\.)([^.\[\]]+)|\[(\d*)\]")
_OTHER_PATH = re.compile(r"^[$/]|<[^>]*>")  # JSONPath, JSON Pointer, a placeholder
_EACH = -1


@dataclass(frozen=True, slots=True)
class AnswerPath:
    """
    Steps from the top of an answer to one value.

    Names are separated by dots, ``[2]`` is the third item of a list. ``[]`` is the item
    that belongs to the message asked about: the first message of a request has the
    first item. At most one ``[]``.
    """

    steps: tuple[str | int, ...]

    @classmethod
    def parse(cls, text: str) -> "AnswerPath":
        """
        Return the path that ``text`` writes down.

        Raises:
            ValueError: it is none.
        """
        steps: list[str | int] = []
        end = 0
        while end < len(text) and (step := _STEP.match(text, end)):
            name, index = step.groups()
            steps.append(name or (int(index) if index else _EACH))
            end = step.end()
        if not steps or end < len(text) or _OTHER_PATH.search(text):
            problem = f"{text!r} is no path; write it as id, data.id or messages[].id"
            raise ValueError(problem)
        if steps.count(_EACH) > 1:
            problem = f"{text!r} has more than one []"
            raise ValueError(problem)
        return cls(tuple(steps))

    @property
    def is_per_message(self) -> bool:
        """Whether each message of a request has a value of its own at this path."""
        return _EACH in self.steps

    def find(self, answer: object, position: int) -> object:
        """Return what stands there for message ``position``; None where nothing does."""
        node = answer
        for step in self.steps:
            if isinstance(step, str):
                node = node.get(step) if isinstance(node, dict) else None
            else:
                index = position if step == _EACH else step
                has_item = isinstance(node, list) and index < len(node)
                node = node[index] if has_item else None  # type: ignore[index]
        return node

    def count(self, answer: object) -> int:
        """Return how many items the ``[]`` list of this answer has; 0 where no list is."""
        items = AnswerPath(self.steps[: self.steps.index(_EACH)]).find(answer, 0)
        return len(items) if isinstance(items, list) else 0


def as_text(value: object) -> str:
    """
    Return an id, code or status as the text we store and compare.

    Providers write the same code as ``21610`` and ``"21610"``. What is no string,
    integer or boolean is no such value: empty.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else ""
