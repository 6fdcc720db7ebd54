"""The settings of a provider of kind ``sandbox``: what it pretends."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class SandboxSettings(BaseModel):
    """
    A provider that sends nothing and answers as it is told, in this process.

    Names and defaults are those of ``adapters.sandbox.Behaviour``; a test holds that.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
    )

    kind: Literal["sandbox"]
    seed: int | None = Field(
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
        default=0.0, description="Share of requests whose connection breaks."
    )
    refuse_credentials: bool = Field(
        default=False, description="Whether every request is refused as unauthorised."
    )
    down: bool = Field(default=False, description="Whether nothing is taken at all.")
