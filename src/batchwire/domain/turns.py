"""Whose turn it is to be prepared."""

from collections.abc import Sequence

from batchwire.domain.batch import Batch


def to_prepare(batches: Sequence[Batch], most: int) -> Sequence[Batch]:
    """
    Choose up to ``most`` of those that are to be prepared.

    The oldest, so that none starves, and beside it the most urgent, so that a small
    urgent batch overtakes large ones, whatever is being prepared already. Where
    ``most`` is 1 they go by age alone.
    """
    by_age = sorted(batches, key=lambda batch: batch.spec.created_at)
    by_urgency = sorted(by_age[1:], key=lambda batch: -batch.spec.priority)
    return [*by_age[:1], *by_urgency[: most - 1]]
