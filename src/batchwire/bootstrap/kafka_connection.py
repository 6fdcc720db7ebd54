"""How the brokers are reached, by the settings; loads no client of Kafka."""

from batchwire.adapters.kafka.connection import (
    KafkaConnectionSettings,
    SaslSettings,
    TlsSettings,
)
from batchwire.adapters.kafka.secrets import Secret
from batchwire.config import Settings
from batchwire.config.kafka_security import SaslGroup, TlsGroup


def connection(
    settings: Settings, brokers: tuple[str, ...] = ()
) -> KafkaConnectionSettings:
    """Say how the brokers are reached; those that are published to, by default."""
    group = settings.batch_events.kafka
    return KafkaConnectionSettings(
        brokers=brokers or group.brokers,
        tls=_tls(group.tls) if group.tls.enabled else None,
        sasl=_sasl(group.sasl),
    )


def _tls(group: TlsGroup) -> TlsSettings:
    return TlsSettings(
        ca_file=group.ca_file,
        certificate_file=group.certificate_file,
        key_file=group.key_file,
        key_password=_secret(group.key_password_env),
    )


def _sasl(group: SaslGroup) -> SaslSettings | None:
    if group.mechanism == "none":
        return None
    return SaslSettings(
        mechanism=group.mechanism,
        username=group.username,
        password=_secret(group.password_env, group.password_file),
        token=_secret(group.token_env, group.token_file),
        token_url=group.token_url,
        scope=group.scope,
    )


def _secret(env: str, file: str = "") -> Secret | None:
    return Secret(env=env, file=file) if env or file else None
