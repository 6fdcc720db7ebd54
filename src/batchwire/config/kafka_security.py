"""The groups ``tls`` and ``sasl`` of Kafka; secrets stand elsewhere, by name."""

from typing import Literal

from pydantic import Field

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
