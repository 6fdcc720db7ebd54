"""Lists on a web server: one GET, streamed, redirects not followed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError

from batchwire import __version__
from batchwire.adapters.lists.places import Place
from batchwire.errors import ListUnavailable, UnreadableList

_OK = 200
_REDIRECTS = range(300, 400)
_PASSING = frozenset({408, 425, 429, *range(500, 600)})
_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WebLimits:
    """How long a server may be silent, and how large a list may be."""

    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    most_bytes: int = 2 * 1024**3


async def read(place: Place, limits: WebLimits) -> AsyncIterator[bytes]:
    """
    Yield the bytes of a list.

    Raises:
        ListUnavailable: the server does not answer, breaks off, or asks to come later.
        UnreadableList: it refuses, has no such list, redirects, or the list is too large.

    """
    size = 0
    try:
        async with (
            _client(limits) as client,
            client.get(place.url).build_streamed() as response,
        ):
            _check(place, response.status)
            while piece := await response.body_reader.read(_PIECE_BYTES):
                size += len(piece)
                if size > limits.most_bytes:
                    raise _unreadable(
                        place,
                        f"is larger than {limits.most_bytes:,} bytes",
                        "Split it into several batches",
                    )
                yield bytes(piece)
    except PyreqwestError as error:
        raise ListUnavailable(
            f"cannot be fetched now ({error.message})",
            remedy="It is tried again",
            source=place.url,
        ) from error


def _client(limits: WebLimits) -> Client:
    return (
        ClientBuilder()
        .http1_only()
        .follow_redirects(enable=False)
        .gzip(enable=False)
        .brotli(enable=False)
        .zstd(enable=False)
        .deflate(enable=False)
        .no_proxy()
        .user_agent(f"batchwire/{__version__}")
        .connect_timeout(timedelta(seconds=limits.connect_timeout_s))
        .read_timeout(timedelta(seconds=limits.read_timeout_s))
        .build()
    )


def _check(place: Place, status: int) -> None:
    if status == _OK:
        return
    if status in _PASSING:
        raise ListUnavailable(
            f"cannot be fetched now (status {status})",
            remedy="It is tried again",
            source=place.url,
        )
    if status in _REDIRECTS:
        problem = f"is somewhere else (status {status}), and redirects are not followed"
        raise _unreadable(place, problem, "Name the place itself")
    problem = f"is refused by its server (status {status})"
    raise _unreadable(place, problem, "Check the URL, and who may read it")


def _unreadable(place: Place, problem: str, remedy: str) -> UnreadableList:
    return UnreadableList(problem, remedy=remedy, source=place.url)
