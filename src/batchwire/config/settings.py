"""Everything that can be set. Each field says what it means; docs are made from it."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from batchwire.adapters.http.settings import HttpSettings
from batchwire.config.batch_events_group import BatchEventsGroup
from batchwire.config.database_url import SQLITE, one_spelling
from batchwire.config.engine_group import EngineGroup
from batchwire.config.group import Integer
from batchwire.config.keys import KeyPath
from batchwire.config.layers import Origin, Place
from batchwire.config.masking import without_secrets
from batchwire.config.regions import iso_region
from batchwire.config.sandbox_settings import SandboxSettings
from batchwire.errors import SettingsError

SANDBOX = "sandbox"


class HttpProviderSettings(HttpSettings):
    """A provider of kind ``http``."""

    kind: Literal["http"]


ProviderSettings: TypeAlias = HttpProviderSettings | SandboxSettings
ProviderName = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=64)]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class Settings(BaseSettings):
    """The settings of one process. ``loading.load`` makes them; nothing changes them."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, case_sensitive=True)

    database_url: Annotated[str, AfterValidator(one_spelling)] = Field(
        default="sqlite:///batchwire.db",
        description="The SQLite file, as `sqlite:///PATH` or a path; a relative one is"
        " relative to the working directory. Or a PostgreSQL database:"
        " `postgresql://USER:PASSWORD@HOST:5432/DATABASE`.",
    )
    default_region: Annotated[str, AfterValidator(iso_region)] | None = Field(
        default=None,
        description="Region of numbers without a country code, ISO 3166-1 alpha-2."
        " Without it they are invalid.",
    )
    providers: dict[
        ProviderName, Annotated[ProviderSettings, Field(discriminator="kind")]
    ] = Field(
        default_factory=dict,
        validate_default=True,
        description="Who sends, by name. `sandbox`, which sends nothing, always exists.",
    )
    default_provider: str = Field(
        default="",
        validate_default=True,
        description="Provider of a batch that names none. Without it, the only one that"
        " is configured, or `sandbox` where none is; where there are several, `serve` and"
        " a `send` without `--provider` demand it.",
    )
    engine: EngineGroup = Field(
        default=EngineGroup(), description="How the engine works."
    )
    batch_events: BatchEventsGroup = Field(
        default=BatchEventsGroup(), description="Batch events, on Kafka or embedded."
    )
    retention_days: Integer = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Days after the end of a batch at which `batchwire serve` forgets"
        " who its recipients were, and what else is older; 0 is never. Counts and audit"
        " log stay.",
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)
    ] = Field(default="info", description="The least grave lines that are logged.")
    log_format: Annotated[
        Literal["console", "json", "auto"], BeforeValidator(_lower)
    ] = Field(
        default="auto",
        description="How log lines are written; `auto` is `console` on a terminal and"
        " `json` elsewhere.",
    )

    _places: Mapping[KeyPath, Place] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 theirs
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is handed over and nothing else: ``loading`` looks around."""
        return (init_settings,)

    @field_validator("providers", mode="before")
    @classmethod
    def _the_sandbox_exists(cls, providers: Any) -> Any:  # noqa: ANN401 unvalidated
        if not isinstance(providers, Mapping):
            return providers
        sandbox = providers.get(SANDBOX, {})
        if not isinstance(sandbox, Mapping):
            return providers
        return {**providers, SANDBOX: {"kind": SANDBOX, **sandbox}}

    @field_validator("providers")
    @classmethod
    def _the_sandbox_sends_nothing(
        cls, providers: dict[str, ProviderSettings]
    ) -> dict[str, ProviderSettings]:
        if providers[SANDBOX].kind != SANDBOX:
            problem = "the name sandbox is kept for what sends nothing; take another"
            raise ValueError(problem)
        return providers

    @field_validator("default_provider")
    @classmethod
    def _the_default_provider_exists(cls, name: str, info: ValidationInfo) -> str:
        if "providers" not in info.data:  # they have problems of their own
            return name
        names = sorted(info.data["providers"])
        if name in names:
            return name
        if name:
            near = get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problem = f"no such provider; there are {', '.join(names)}{hint}"
            raise ValueError(problem)
        senders = [name for name in names if name != SANDBOX] or [SANDBOX]
        return senders[0] if len(senders) == 1 else ""

    def demanded_default(self) -> str:
        """
        Name the provider of a batch that names none.

        Raises:
            SettingsError: there are several, and ``default_provider`` is not set.

        """
        if self.default_provider:
            return self.default_provider
        place = self._places.get(("default_provider",))
        where = f" ({place.text})" if place else ""
        names = ", ".join(name for name in sorted(self.providers) if name != SANDBOX)
        message = (
            f"default_provider{where}: must be set, as there are several: {names}; only"
            " a `batchwire send` that names one with --provider does without"
        )
        raise SettingsError(message)

    @property
    def database_path(self) -> str:
        """The file of ``database_url``, empty where that is PostgreSQL."""
        url = self.database_url
        return url.removeprefix(SQLITE) if url.startswith(SQLITE) else ""

    @property
    def database_name(self) -> str:
        """``database_url`` as it may be shown."""
        return without_secrets(self.database_url)

    def placed(self, places: Mapping[KeyPath, Place]) -> Self:
        """Remember where the values stand; ``loading`` calls it once."""
        self._places = places
        return self

    def origin_of(self, path: KeyPath) -> Origin:
        """Who set this key, which is no group."""
        place = self._places.get(path)
        return place.origin if place else Origin.DEFAULT
