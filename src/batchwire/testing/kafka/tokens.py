"""Unsigned tokens for OAUTHBEARER listeners (RFC 7515, appendix A.5)."""

import json
import time
from base64 import urlsafe_b64encode


def unsigned_token(subject: str, lifetime_s: float = 300.0) -> str:
    """Make one that names its bearer; a negative lifetime is an expired one."""
    now = time.time()
    claims = {"sub": subject, "iat": now - 600.0, "exp": now + lifetime_s}
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def _part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
