"""
What a host reports, as few bytes made in few microseconds.

A caller waits for this and for nothing else, so the record with its checks, its JSON and
its headers is made by the thread that sends (``host_records``). Here a report gets what
must be the same at every attempt, its time and the randomness of its id.
"""

import random
from collections.abc import Collection, Mapping
from itertools import count, islice
from typing import Any

import msgspec

from batchwire.errors import MalformedMessage
from batchwire.ports.clock import Clock

MOST_RECIPIENTS = 10_000  # of an announced list

_ID_BITS = 80  # what ``uuid7`` takes beside the time

CREATED, STATUS, OPERATION = 1, 2, 3  # written into files: never give one a new meaning

_encode = msgspec.msgpack.Encoder().encode


class Reports:
    """
    Makes the reports of one process: msgpack of kind, time, randomness, arguments.

    Times (Unix microseconds) ascend, also where the clock is set back: to who receives
    them they tell the order of a batch's reports. There is no ``ce_sequence``: nobody
    numbers a host's batches over its restarts and processes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_us = 0
        # An id has to differ, not to be secret: a number that nobody else begins at,
        # counted up. os.urandom lets other threads have the interpreter, amid a call
        # that must be short; a generator's state is cold after a pause.
        begin = random.SystemRandom().getrandbits(_ID_BITS - 1)
        self._next_id = count(begin).__next__  # one step, for any thread

    def created(
        self,
        batch_id: str,
        user_id: str,
        recipients: Collection[Any],
        template: str,
        params: Mapping[str, Any] | None,
    ) -> bytes:
        """
        Announce a batch. Of a long list the first are kept, and how many there are.

        Raises:
            MalformedMessage: ``recipients`` is no list.

        """
        size, listed = _count(recipients), list(islice(recipients, MOST_RECIPIENTS))
        values = (batch_id, user_id, listed, size, template, dict(params or {}))
        return self.report(CREATED, values)

    def report(self, kind: int, values: tuple[object, ...]) -> bytes:
        """
        Make a report of a kind; the values begin with the batch_id.

        STATUS has those of ``on_sms_batch_status_changed``; OPERATION has operation,
        phase, reason, operator_id.
        """
        at_us = self._clock.unix_us()
        if at_us <= self._last_us:
            at_us = self._last_us + 1
        self._last_us = at_us
        id_bytes = self._next_id().to_bytes(_ID_BITS // 8)
        return _encode((kind, at_us, id_bytes, *values))


def _count(recipients: object) -> int:
    is_text = isinstance(recipients, str | bytes | Mapping)
    if isinstance(recipients, Collection) and not is_text:
        return len(recipients)
    problem = f"is not a list but {type(recipients).__name__}"
    raise MalformedMessage(field="recipients", problem=problem)
