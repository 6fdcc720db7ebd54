"""The subscription: what the event loop sees of a member of a consumer group."""

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Final

from batchwire.adapters.kafka.handover import Handover
from batchwire.adapters.kafka.member import Member
from batchwire.adapters.kafka.member_settings import SubscriptionSettings
from batchwire.adapters.kafka.translation import translated
from batchwire.domain.record import Partition
from batchwire.ports.bus import Listener, SubscriptionState

# What leaving may take after the listener's own time: a commit and a request to leave.
# librdkafka waits half a minute and more for both where the broker is away.
LEAVE_S: Final = 5.0
_LOOK_S: Final = 0.05


class KafkaSubscription:
    """
    One member of a group on one topic (``ports.bus.Subscription``).

    A thread owns the client (``member``); it and the listener meet in ``handover``.
    """

    def __init__(self, settings: SubscriptionSettings) -> None:
        self._settings = settings
        self._member: Member | None = None
        self._handover: Handover | None = None
        self._thread = threading.Thread()

    async def open(self, listener: Listener) -> None:
        """
        Start the thread, which joins the group. Idempotent while it is open.

        Raises:
            SettingsError: a secret is missing.
            BrokerError: librdkafka does not take the settings.

        """
        if self._member is not None:
            return
        self._handover = Handover(listener, asyncio.get_running_loop())
        with translated("making a consumer"):
            self._member = Member(self._settings, self._handover)
        # A daemon: a program that must end does not wait for a broker.
        self._thread = threading.Thread(
            target=self._member.run, name="kafka-subscription", daemon=True
        )
        self._thread.start()

    def finish(self, positions: Mapping[Partition, int]) -> None:
        """Hand them to the thread, which stores them within a tenth of a second."""
        if self._member is not None:
            self._member.finish(positions)

    def pause(self) -> None:
        """Hold back what comes; after a moment the partitions are paused too."""
        if self._handover is not None:
            self._handover.pause()

    def resume(self) -> None:
        """Hand on what was held back, and go on."""
        if self._handover is not None:
            self._handover.resume()

    @property
    def state(self) -> SubscriptionState:
        """How the member was when it was last looked at, at most a second ago."""
        if self._member is None:
            return SubscriptionState(is_joined=False, polled_at=0.0)
        return self._member.state

    async def close(self) -> None:
        """Leave as the port says. Idempotent; gives up on a broker that is away."""
        if self._member is None:
            return
        self._member.leave()
        await asyncio.to_thread(self._left, self._member)
        self._member = None  # not before: the listener finishes in the meantime

    def _left(self, member: Member) -> None:
        """Wait until the listener has finished, then a little for the broker."""
        until = time.monotonic() + self._settings.revoke_budget_s
        while member.holds_some and time.monotonic() < until:
            self._thread.join(_LOOK_S)
        self._thread.join(LEAVE_S)
