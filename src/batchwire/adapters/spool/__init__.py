"""
A host's own file of events that wait for the broker.

A folder per process, in it segments of frames; what a killed process left is sent by
whoever lives. It survives the end of the process, not a power cut: the page cache is
written to, nothing is synced.
"""

from batchwire.adapters.spool.outbox import SpoolOutbox
from batchwire.adapters.spool.spool import Spool, SpoolLimits

__all__ = ["Spool", "SpoolLimits", "SpoolOutbox"]
