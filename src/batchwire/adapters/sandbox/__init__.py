"""A provider that sends nothing: in process, or as an HTTP server."""

from batchwire.adapters.sandbox.behaviour import Behaviour
from batchwire.adapters.sandbox.provider import SandboxProvider
from batchwire.adapters.sandbox.server import SandboxServer, ServerSettings, run
from batchwire.adapters.sandbox.tally import Stats

__all__ = [
    "Behaviour",
    "SandboxProvider",
    "SandboxServer",
    "ServerSettings",
    "Stats",
    "run",
]
