"""Showing values without showing secrets."""

import json
import re
from collections.abc import Mapping
from typing import Final

MASK: Final = "***"
_SECRET = re.compile(
    r"pass|pwd|secret|token|credential|authori[sz]ation|cookie|signature"
    r"|(api|access|private|signing|auth)[-_ ]?key",
    re.IGNORECASE,
)
# Up to the last @: a password that should have been escaped is hidden too.
_USER_IN_URL = re.compile(r"://\S*@")
_SECRET_IN_URL = re.compile(r"([?&][\w.-]*(?:pass|secret|token|key)[\w.-]*=)[^&\s]+")
_LONGEST = 200


def is_secret(key: str) -> bool:
    """
    Whether a key of this name, such as ``X-Api-Key``, may hold a secret.

    ``token_env`` holds the name of an environment variable, and that is none.
    """
    return bool(_SECRET.search(key)) and not key.endswith("_env")


def shown(key: str, value: object) -> str:
    """
    Write a value for a person: ``***`` for a secret, JSON for groups and lists.

    ``key`` is the last part of the value's path. None, not set, is the empty text.
    """
    masked = _masked(key, value)
    if masked is None:
        return ""
    if isinstance(masked, str):
        text = masked
    else:
        text = json.dumps(masked, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def without_secrets(text: str) -> str:
    """Hide the user, the password and the secret options of a URL."""
    return _SECRET_IN_URL.sub(rf"\1{MASK}", _USER_IN_URL.sub(f"://{MASK}@", text))


def _masked(key: str, value: object) -> object:
    match value:
        case Mapping():
            return {str(name): _masked(str(name), one) for name, one in value.items()}
        case list() | tuple():
            return [_masked(key, one) for one in value]
        case None | bool() | "":
            return value
        case _ if is_secret(key):
            return MASK
        case str():
            return without_secrets(str(value))
        case _:
            return value
