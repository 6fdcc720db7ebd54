"""The settings of a provider of kind ``sandbox``: what it pretends."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from batchwire.config.group import Group, Integer, Number

Share = Annotated[Number, Field(ge=0, le=1)]
Amount = Annotated[Number, Field(ge=0)]
Count = Annotated[Integer, Field(ge=0)]


class SandboxSettings(Group):
    """
    A provider that sends nothing and answers as it is told, in this process.

    The names, defaults and limits of ``adapters.sandbox.Behaviour``, which a test holds
    equal: importing that one here would make every command start its server's modules.
    """

    kind: Literal["sandbox"]
    seed: Integer | None = Field(
        default=None, description="What chance decides repeats with the same seed."
    )
    latency_ms: Amount = Field(
        default=0.0, description="Milliseconds from request to answer, on average."
    )
    jitter_ms: Amount = Field(
        default=0.0, description="Standard deviation of `latency_ms`, milliseconds."
    )
    rate_parts_per_s: Amount = Field(
        default=0.0, description="SMS parts per second; above it throttles, 0 never."
    )
    burst_parts: Count = Field(
        default=0,
        description="Parts taken at once after a silence; 0: those of one second.",
    )
    permanent_rate: Share = Field(
        default=0.0, description="Share of messages refused for good."
    )
    permanent_suffix: str = Field(
        default="", description="Numbers that end so are refused for good."
    )
    permanent_code: str = Field(
        default="30005", description="Error code of a refusal for good."
    )
    optout_rate: Share = Field(
        default=0.0, description="Share of recipients who have opted out."
    )
    optout_suffix: str = Field(
        default="", description="Numbers that end so have opted out."
    )
    transient_rate: Share = Field(
        default=0.0, description="Share of messages that fail for now."
    )
    transient_suffix: str = Field(
        default="", description="Numbers that end so fail for now."
    )
    transient_attempts: Count = Field(
        default=1, description="Failures of a number of `transient_suffix`."
    )
    reset_rate: Share = Field(
        default=0.0,
        description="Share of requests whose connection breaks, half of them after"
        " the messages were accepted.",
    )
    slow_drip_rate: Share = Field(
        default=0.0, description="Share of requests that are answered byte by byte."
    )
    drip_ms: Amount = Field(
        default=100.0, description="Milliseconds between two bytes of such an answer."
    )
    refuse_credentials: bool = Field(
        default=False, description="Whether every request is refused as unauthorised."
    )
    down: bool = Field(default=False, description="Whether nothing is taken at all.")
    remembered_keys: Count = Field(
        default=500_000,
        description="Latest messages, at least, that are not accepted a second time;"
        " 0 is none.",
    )
    count_recipients: bool = Field(
        default=True,
        description="Whether acceptances are counted by recipient, which takes memory.",
    )
    receipts_url: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = Field(
        default="", description="Where receipts are posted; empty is nowhere."
    )
    receipt_delay_ms: Amount = Field(
        default=0.0, description="Milliseconds from acceptance to receipt."
    )
    undelivered_rate: Share = Field(
        default=0.0, description="Share of receipts that say undelivered."
    )

    @model_validator(mode="after")
    def _shares_fit_together(self) -> Self:
        if self.permanent_rate + self.optout_rate + self.transient_rate > 1:
            problem = "permanent_rate, optout_rate and transient_rate exceed 1 together"
            raise ValueError(problem)
        if self.reset_rate + self.slow_drip_rate > 1:
            problem = "reset_rate and slow_drip_rate exceed 1 together"
            raise ValueError(problem)
        return self

    def behaviour(self) -> dict[str, Any]:
        """Return the arguments of ``adapters.sandbox.Behaviour``."""
        return self.model_dump(exclude={"kind"})
