"""How the sandbox provider behaves; by default it accepts everything at once."""

from collections.abc import Mapping
from typing import Annotated, Self

import msgspec

from batchwire.errors import ProviderSettingsRefused

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
Url = Annotated[str, msgspec.Meta(pattern=r"^(https?://\S+)?$")]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Everything that can be set, also while the provider runs (``PUT /behaviour``).

    A share is 0 … 1. A suffix decides by the last digits of a number, before any
    chance does; an empty one decides nothing. Codes are Twilio's.

    Raises:
        ValueError: the shares that exclude each other add up to more than 1.
    """

    # What chance decides repeats with the same seed and the same order of messages.
    seed: int | None = None

    # Time from request to answer: normal about latency_ms, fixed where jitter_ms is 0.
    latency_ms: Amount = 0.0
    jitter_ms: Amount = 0.0  # standard deviation; an answer never takes less than 0

    # Flow control: 429 with Retry-After. Parts per second; 0 is unlimited.
    rate_parts_per_s: Amount = 0.0
    burst_parts: Count = 0  # at once after a silence; 0: the parts of one second

    # What becomes of a message.
    permanent_rate: Share = 0.0
    permanent_suffix: str = ""
    permanent_code: str = "30005"
    optout_rate: Share = 0.0  # 21610
    optout_suffix: str = ""
    transient_rate: Share = 0.0  # 503
    transient_suffix: str = ""
    transient_attempts: Count = 1  # so many fail per number of transient_suffix

    # What becomes of the answer to a request. Half of the resets come before
    # acceptance, half after it.
    reset_rate: Share = 0.0
    slow_drip_rate: Share = 0.0
    drip_ms: Amount = 100.0  # between two bytes of a dripped answer

    # The whole door.
    refuse_credentials: bool = False  # 401
    down: bool = False  # 503

    # At least so many of the latest keys are remembered, at most twice as many;
    # 0: keys mean nothing.
    remembered_keys: Count = 500_000
    # Off: recipients are not counted one by one, and memory stays flat.
    count_recipients: bool = True

    # Receipts are POSTed there; empty: none.
    receipts_url: Url = ""
    receipt_delay_ms: Amount = 0.0
    undelivered_rate: Share = 0.0

    def __post_init__(self) -> None:
        """Refuse shares that cannot all be true."""
        if self.permanent_rate + self.optout_rate + self.transient_rate > 1:
            problem = "permanent_rate, optout_rate and transient_rate exceed 1 together"
            raise ValueError(problem)
        if self.reset_rate + self.slow_drip_rate > 1:
            problem = "reset_rate and slow_drip_rate exceed 1 together"
            raise ValueError(problem)

    def changed(self, settings: Mapping[str, object]) -> Self:
        """
        Return the same behaviour with some settings replaced.

        Raises:
            ProviderSettingsRefused: a setting is unknown or has a bad value.
        """
        merged = {**msgspec.structs.asdict(self), **settings}
        try:
            return msgspec.convert(merged, type(self))
        except msgspec.ValidationError as error:
            sentence = f"sandbox behaviour: {error}"
            raise ProviderSettingsRefused(sentence) from error
