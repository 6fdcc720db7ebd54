"""The groups ``tls`` and ``sasl`` of Kafka; secrets stand elsewhere, by name."""

from typing import Literal

from pydantic import Field

from batchwire.adapters.kafka.connection import SaslSettings, TlsSettings
from batchwire.adapters.kafka.secrets import Secret
from batchwire.config.group import Group


class TlsGroup(Group):
    """TLS; files are PEM."""

    enabled: bool = Field(default=False, description="Speak TLS to the brokers.")
    ca_file: str = Field(
        default="", description="Authorities to trust instead of the system's."
    )
    certificate_file: str = Field(
        default="", description="Our certificate, where the broker asks for one."
    )
    key_file: str = Field(default="", description="The key of our certificate.")
    key_password_env: str = Field(
        default="", description="Environment variable that has the key's password."
    )

    def build(self) -> TlsSettings | None:
        """Make what the Kafka adapters take."""
        if not self.enabled:
            return None
        return TlsSettings(
            ca_file=self.ca_file,
            certificate_file=self.certificate_file,
            key_file=self.key_file,
            key_password=_secret(self.key_password_env),
        )


class SaslGroup(Group):
    """SASL: who we are."""

    mechanism: Literal[
        "none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"
    ] = Field(default="none", description="How we prove who we are.")
    username: str = Field(
        default="", description="For PLAIN and SCRAM; the client id of `token_url`."
    )
    password_env: str = Field(
        default="", description="Environment variable that has the password."
    )
    password_file: str = Field(
        default="", description="File that has the password, instead."
    )
    token_env: str = Field(
        default="", description="OAUTHBEARER: environment variable that has a token."
    )
    token_file: str = Field(
        default="",
        description="OAUTHBEARER: file that has a token, which somebody renews.",
    )
    token_url: str = Field(
        default="",
        description="OAUTHBEARER: where tokens are fetched (OpenID Connect).",
    )
    scope: str = Field(default="", description="OAUTHBEARER: scope to ask for.")

    def build(self) -> SaslSettings | None:
        """Make what the Kafka adapters take."""
        if self.mechanism == "none":
            return None
        return SaslSettings(
            mechanism=self.mechanism,
            username=self.username,
            password=_secret(self.password_env, self.password_file),
            token=_secret(self.token_env, self.token_file),
            token_url=self.token_url,
            scope=self.scope,
        )


def _secret(env: str, file: str = "") -> Secret | None:
    return Secret(env=env, file=file) if env or file else None
