"""Tokens for OAUTHBEARER (RFC 7628), given to librdkafka when it asks."""

import binascii
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable

import msgspec

from batchwire.adapters.kafka.secrets import Secret

# A token that does not say when it ends is looked up again after this time.
OPAQUE_LIFETIME_S = 300.0


class _Claims(msgspec.Struct):
    """The one claim of a JWT that counts here (RFC 7519, section 4.1.4)."""

    exp: float


def token_callback(token: Secret) -> Callable[[str], tuple[str, float]]:
    """
    Make librdkafka's ``oauth_cb``: returns the token and the Unix time of its end.

    Asked at the start and when four fifths of the time are over. What it raises
    reaches librdkafka as a failure, which asks again after ten seconds.
    """

    def callback(_: str) -> tuple[str, float]:
        value = token.read()
        return value, ending_at(value)

    return callback


def ending_at(token: str) -> float:
    """Find when a JWT ends, Unix time; five minutes from now where it does not say."""
    try:
        body = token.split(".")[1]
        padded = body + "=" * (-len(body) % 4)
        return msgspec.json.decode(urlsafe_b64decode(padded), type=_Claims).exp
    except (IndexError, binascii.Error, msgspec.MsgspecError, ValueError):
        return time.time() + OPAQUE_LIFETIME_S
