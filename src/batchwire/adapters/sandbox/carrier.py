"""What the sandbox provider decides; the HTTP server and the provider in process ask."""

import secrets
import time
from collections.abc import Callable

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.chance import Chance, Mishap
from batchwire.adapters.sandbox.memory import RememberedKeys
from batchwire.adapters.sandbox.rate import TokenBucket
from batchwire.adapters.sandbox.receipts import Receipt, Receipts
from batchwire.adapters.sandbox.refusal import (
    BAD_CREDENTIALS,
    BUSY,
    DOWN,
    OPTED_OUT,
    Refusal,
    throttled,
)
from batchwire.adapters.sandbox.tally import Tally
from batchwire.domain.segments import count

# Ids look random, as real ones do (they must not compress better), and cost one
# addition. The step is odd, so none repeats; the start is new in every process.
_ID_STEP = 0x9E3779B97F4A7C15F39CC0605CEDC835
_ID_MASK = (1 << 128) - 1


class Carrier:
    """
    Decides about requests and messages by a ``Behaviour`` and counts what it decides.

    Ask once for a request ``begin``, ``refusal`` and ``latency_s``, and ``submit`` for
    each of its messages. Nothing here waits or does I/O: receipts are left with
    ``receipts``, which does. ``monotonic`` and ``wall`` return seconds, ``wall`` since
    the Unix epoch.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.tally = Tally()
        self.receipts = Receipts(self.tally)
        self._monotonic = monotonic
        self._wall = wall
        self._chance = Chance(behaviour)
        self._last_id = secrets.randbits(128)
        self._answers = RememberedKeys[str | Refusal](behaviour.remembered_keys)
        self._apply(behaviour)

    @property
    def behaviour(self) -> Behaviour:
        """How messages are decided; see ``change``."""
        return self._behaviour

    def change(self, behaviour: Behaviour) -> None:
        """Decide by this from now on. Counts stay; the rate begins with a burst."""
        self._chance.change(behaviour)
        if behaviour.remembered_keys != self._behaviour.remembered_keys:
            self._answers = RememberedKeys(behaviour.remembered_keys)
        self._apply(behaviour)

    def _apply(self, it: Behaviour) -> None:
        self._behaviour = it
        self.receipts.url = it.receipts_url
        self._bucket = None
        if it.rate_parts_per_s:
            burst = it.burst_parts or max(1.0, it.rate_parts_per_s)
            self._bucket = TokenBucket(it.rate_parts_per_s, burst, self._monotonic())

    def reset(self) -> None:
        """Forget counts, recipients, keys and failed attempts."""
        self.tally.reset()
        self._chance.reset()
        self._answers = RememberedKeys(self._behaviour.remembered_keys)

    def begin(self) -> Mishap:
        """Count a request and draw what goes wrong with its answer."""
        counts = self.tally.counts
        counts.requests += 1
        mishap = self._chance.mishap()
        if mishap is Mishap.DRIP:
            counts.dripped += 1
        elif mishap is not Mishap.NONE:
            counts.resets += 1
        return mishap

    def refusal(self) -> Refusal | None:
        """Say why this whole request is refused, or None."""
        if not (self._behaviour.down or self._behaviour.refuse_credentials):
            return None
        self.tally.counts.refused += 1
        return DOWN if self._behaviour.down else BAD_CREDENTIALS

    def latency_s(self) -> float:
        """Draw how long the answer to this request takes, in seconds from 0."""
        return self._chance.latency_s()

    def submit(
        self, to: str, text: str, *, key: str = "", reference: str = "", parts: int = 0
    ) -> str | Refusal:
        """
        Accept a message and return its id (32 hex digits), or say why not.

        A key that was answered for good gets the same answer again, whatever comes with
        it; a throttled or transient answer is not remembered. ``parts`` 0: they are
        counted if the rate needs them.
        """
        remembers = key and self._behaviour.remembered_keys
        if remembers and (known := self._answers.get(key)) is not None:
            self.tally.counts.duplicates += 1
            return known
        if self._bucket is not None:
            parts = parts or count(text).parts
            if wait_s := self._bucket.take(parts, self._monotonic()):
                self.tally.counts.throttled += 1
                return throttled(wait_s)
        refusal = self._chance.misfortune(to)
        answer = self._accept(to, reference) if refusal is None else refusal
        if refusal is not None:
            self._count_failed(refusal)
        if remembers and refusal is not BUSY:
            self._answers.put(key, answer)
        return answer

    def _accept(self, to: str, reference: str) -> str:
        self._last_id = (self._last_id + _ID_STEP) & _ID_MASK
        message_id = f"{self._last_id:032x}"
        it, now = self._behaviour, self._wall()
        self.tally.count_accepted(now)
        if it.count_recipients:
            self.tally.count_recipient(to)
        if it.receipts_url:
            is_undelivered = self._chance.is_undelivered()
            receipt = Receipt(
                id=message_id,
                to=to,
                reference=reference,
                status="undelivered" if is_undelivered else "delivered",
                error_code="30003" if is_undelivered else "",
            )
            self.receipts.add(receipt, it.receipt_delay_ms / 1000)
        return message_id

    def _count_failed(self, refusal: Refusal) -> None:
        counts = self.tally.counts
        if refusal is BUSY:
            counts.failed_transient += 1
            return
        counts.failed_permanent += 1
        counts.opted_out += refusal is OPTED_OUT
