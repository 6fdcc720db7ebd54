"""The group ``engine``: limits and meanings; the defaults are the engine's own."""

from typing import Self

from pydantic import Field, model_validator

from batchwire.config.group import Group, Integer, Number
from batchwire.engine.settings import EngineSettings

_OF_ENGINE = EngineSettings()


class EngineGroup(Group):
    """How the engine works; ``build`` makes what the engine takes."""

    chunk_size: Integer = Field(
        default=_OF_ENGINE.chunk_size,
        ge=1,
        le=10_000,
        description="Recipients in one chunk, for batches prepared from now on.",
    )
    flush_interval_ms: Integer = Field(
        default=_OF_ENGINE.flush_interval_ms,
        ge=5,
        le=1000,
        description="Milliseconds that results wait at most for their commit.",
    )
    max_running_batches: Integer = Field(
        default=_OF_ENGINE.max_running_batches,
        ge=1,
        le=1000,
        description="Batches of a provider in delivery at once, less urgent ones not"
        " counted; the others wait their turn.",
    )
    max_preparing_batches: Integer = Field(
        default=_OF_ENGINE.max_preparing_batches,
        ge=1,
        le=100,
        description="Batches in preparation at once: the oldest, and the most urgent"
        " beside it. Where it is 1 they go by age alone.",
    )
    max_window: Integer = Field(
        default=_OF_ENGINE.max_window,
        ge=1,
        le=1_000_000,
        description="Messages that wait, intended, for one provider; with those in"
        " flight the most that a crash can leave uncertain. Never less than twice what"
        " the provider takes at once.",
    )
    drain_timeout_s: Number = Field(
        default=_OF_ENGINE.drain_timeout_s,
        ge=0,
        le=3600,
        description="Seconds to wait at the end for answers to what is in flight.",
    )
    heartbeat_s: Number = Field(
        default=_OF_ENGINE.heartbeat_s,
        gt=0,
        le=600,
        description="Seconds between two signs of life of an engine.",
    )
    dead_after_s: Number = Field(
        default=_OF_ENGINE.dead_after_s,
        gt=0,
        le=3600,
        description="Seconds without a sign of life after which an engine is taken for"
        " dead and others take over (PostgreSQL). More than `trust_s`.",
    )
    trust_s: Number = Field(
        default=_OF_ENGINE.trust_s,
        gt=0,
        le=3600,
        description="Seconds without a sign of life after which an engine submits nothing"
        " itself. Between `heartbeat_s` and `dead_after_s`.",
    )
    circuit_failures: Integer = Field(
        default=_OF_ENGINE.circuit_failures,
        ge=1,
        le=100_000,
        description="Failures of a provider in a row that open its circuit.",
    )
    circuit_max_delay_s: Number = Field(
        default=_OF_ENGINE.circuit_max_delay_s,
        gt=0,
        le=3600,
        description="Seconds between two trials, at most, while a circuit is open.",
    )
    circuit_patience_s: Number = Field(
        default=_OF_ENGINE.circuit_patience_s,
        ge=0,
        le=604_800,
        description="Seconds after a circuit opened in which a trial that fails uses up"
        " no attempt of its recipient.",
    )

    @model_validator(mode="after")
    def _signs_come_before_trust_ends(self) -> Self:
        if not self.heartbeat_s < self.trust_s < self.dead_after_s:
            message = (
                f"heartbeat_s {self.heartbeat_s:g}, trust_s {self.trust_s:g},"
                f" dead_after_s {self.dead_after_s:g}: each must be less than the next"
            )
            raise ValueError(message)
        return self

    def build(self) -> EngineSettings:
        """Make what the engine takes: the same values, knowing nothing of settings."""
        return EngineSettings(**self.model_dump())
