"""
The heart: the sign of life of one engine, and whether it may trust its own leases.

Others take over what a worker holds that has given no sign for ``dead_after_s``. Whoever
was stopped meanwhile does not know: so nothing is submitted once the last sign is older
than ``trust_s``, which is less, until the database says that all is as it was. Where the
database takes one process only (SQLite) nobody takes over: signs then tell who is at work.
"""

import uuid

from batchwire.engine.patience import must_pass
from batchwire.engine.settings import EngineSettings
from batchwire.errors import StoreError
from batchwire.ports.clock import Clock
from batchwire.ports.workers import PASSING, Workers

_AGAIN_S = 1.0


class Heart:
    """
    Gives the signs of one engine, under a name that nobody had before.

    ``is_passing``: one that ends with a batch of its own, as its name then tells others.
    """

    def __init__(
        self,
        workers: Workers,
        clock: Clock,
        settings: EngineSettings,
        *,
        is_passing: bool = False,
    ) -> None:
        self.owner = f"{PASSING if is_passing else ''}{uuid.uuid4().hex}"
        self._workers = workers
        self._clock = clock
        self._settings = settings
        self._is_alone = False
        self._trusted_until = 0.0
        self._trusted_until_us = 0

    @property
    def is_trusted(self) -> bool:
        """
        Whether nobody can have taken over what we hold.

        By two clocks: the monotonic one stands still while the machine is suspended.
        """
        return self._is_alone or (
            self._clock.monotonic() < self._trusted_until
            and self._clock.unix_us() < self._trusted_until_us
        )

    async def start(self) -> None:
        """
        Begin to work.

        Raises:
            EngineAlreadyRunning: the database takes one process, and another has it.
            StoreError: the database cannot be used.

        """
        asked_at = self._moment()
        lasts_s = self._settings.dead_after_s
        self._is_alone = await self._workers.become_engine(self.owner, lasts_s)
        self._trust(*asked_at)

    async def run(self) -> None:
        """
        Give a sign every ``heartbeat_s``, until cancelled.

        Raises:
            StaleLease: we were declared dead.

        """
        delay_s = self._settings.heartbeat_s
        while True:
            await self._clock.sleep(delay_s)
            delay_s = self._settings.heartbeat_s
            try:
                await self._beat()
            except StoreError as error:
                must_pass(error)
                delay_s = min(delay_s, _AGAIN_S)

    async def stop(self) -> None:
        """End the work: what is still held is anybody's at once."""
        self._is_alone, self._trusted_until = False, 0.0
        try:
            await self._workers.resign(self.owner)
        except StoreError as error:
            must_pass(error)

    async def _beat(self) -> None:
        asked_at = self._moment()
        await self._workers.renew(self.owner, self._settings.dead_after_s)
        self._trust(*asked_at)

    def _moment(self) -> tuple[float, int]:
        return self._clock.monotonic(), self._clock.unix_us()

    def _trust(self, since: float, since_us: int) -> None:
        self._trusted_until = since + self._settings.trust_s
        self._trusted_until_us = since_us + int(1_000_000 * self._settings.trust_s)
