"""
Every record that a test encodes, anywhere in this process, must fit what is published.

``encode`` is wrapped before any module takes it by name. What a test starts as a process
of its own is out of reach.
"""

from collections.abc import Iterator

import pytest

from batchwire.domain.record import Record
from batchwire.messages import codec
from batchwire.messages.envelope import EventContext
from batchwire.messages.requests import AnyBatchMessage
from batchwire.testing import published

_encode = codec.encode
_misfits: list[str] = []


def _recorded(message: AnyBatchMessage, context: EventContext) -> Record:
    record = _encode(message, context)
    _misfits.extend(published.misfits(record))
    return record


codec.encode = _recorded


@pytest.fixture(autouse=True)
def _every_record_fits_what_is_published() -> Iterator[None]:
    _misfits.clear()
    yield
    assert not _misfits
