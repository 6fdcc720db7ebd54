"""What the sandbox provider remembers of the keys it has answered."""

from typing import Generic, TypeVar

Answered = TypeVar("Answered")


class RememberedKeys(Generic[Answered]):
    """
    Answers by idempotency key, in bounded memory.

    Two generations: when the young one is full it becomes the old one, and the old one
    is forgotten. So the latest ``capacity`` keys are known, and never more than twice
    as many are held; no key costs more than a dict entry.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._young: dict[str, Answered] = {}
        self._old: dict[str, Answered] = {}

    def get(self, key: str) -> Answered | None:
        """Find what this key was answered; None if it is new or forgotten."""
        answered = self._young.get(key)
        return self._old.get(key) if answered is None else answered

    def put(self, key: str, answered: Answered) -> None:
        """Remember this answer; forgets the oldest."""
        if len(self._young) >= self._capacity:
            self._old, self._young = self._young, {}
        self._young[key] = answered
