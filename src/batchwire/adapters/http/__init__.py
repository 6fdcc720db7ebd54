"""Any SMS provider with an HTTP API, by settings (``HttpSettings``, ``HttpProvider``)."""

from batchwire.adapters.http.provider import HttpProvider
from batchwire.adapters.http.settings import HttpSettings

__all__ = ["HttpProvider", "HttpSettings"]
