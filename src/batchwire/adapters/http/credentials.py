"""Secrets, from the environment to the headers of a request."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, assert_never

from pydantic import Field

from batchwire.adapters.http.fields import (
    EnvName,
    HeaderName,
    HeaderValue,
    StrictModel,
)
from batchwire.errors import ProviderSettingsRefused

Secrets = Callable[[str], str]


class NoAuth(StrictModel):
    """No credentials."""

    kind: Literal["none"] = "none"


class BearerAuth(StrictModel):
    """``Authorization: Bearer …`` (RFC 6750)."""

    kind: Literal["bearer"]
    token_env: EnvName = Field(description="Environment variable with the token.")


class BasicAuth(StrictModel):
    """``Authorization: Basic …`` (RFC 7617)."""

    kind: Literal["basic"]
    username_env: EnvName = Field(description="Environment variable with the user.")
    password_env: EnvName = Field(description="Environment variable with the password.")


class HeaderAuth(StrictModel):
    """A header of the provider's own: ``X-Api-Key: …``, ``Authorization: App …``."""

    kind: Literal["header"]
    name: HeaderName = Field(description="Name of the header.")
    value_env: EnvName = Field(description="Environment variable with the value.")
    scheme: HeaderValue = Field(
        default="", description="Word before the value, such as `App`; may be empty."
    )


Auth = Annotated[
    NoAuth | BearerAuth | BasicAuth | HeaderAuth, Field(discriminator="kind")
]


def auth_header_name(auth: Auth) -> str:
    """Return the header that carries the credentials, in lower case; may be empty."""
    match auth:
        case NoAuth():
            return ""
        case HeaderAuth(name=name):
            return name.lower()
        case _:
            return "authorization"


def secrets_of(
    provider: str, environment: Mapping[str, str]
) -> tuple[Secrets, Callable[[str], str]]:
    """
    Return what looks up the environment variables of ``provider``, or refuses.

    And what hides in a text, which is kept and shown, the values that were looked up.
    """
    given: list[str] = []

    def secret(name: str) -> str:
        value = environment.get(name, "")
        if value and value.isprintable():  # the client's own error would quote it
            given.append(value)
            return value
        unprintable = "has a character that does not print, such as a line break"
        flaw = unprintable if value else "is not set"
        problem = (
            f"provider {provider}: the environment variable {name} {flaw};"
            " set it right or change the settings that name it"
        )
        raise ProviderSettingsRefused(problem)

    def hide(text: str) -> str:
        # Whoever quotes the header that carried two of them has them as one.
        for value in [*map(_basic, given, given[1:]), *given]:
            text = text.replace(value, "…")
        return text

    return secret, hide


def auth_headers(auth: Auth, secret: Secrets) -> dict[str, str]:
    """
    Return the header that carries the credentials; none for ``none``.

    Raises:
        ProviderSettingsRefused: an environment variable is missing.
    """
    name = auth_header_name(auth)
    match auth:
        case NoAuth():
            return {}
        case BearerAuth(token_env=token):
            return {name: f"Bearer {secret(token)}"}
        case BasicAuth(username_env=username, password_env=password):
            encoded = _basic(secret(username), secret(password))
            return {name: f"Basic {encoded}"}
        case HeaderAuth(value_env=value, scheme=scheme):
            return {name: f"{scheme} {secret(value)}".strip()}
        case _ as unreachable:
            assert_never(unreachable)


def _basic(username: str, password: str) -> str:
    return b64encode(f"{username}:{password}".encode()).decode()
