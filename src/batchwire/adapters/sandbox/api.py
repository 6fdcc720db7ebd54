"""The sandbox provider's HTTP interface: which request gets which answer."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated
from urllib.parse import unquote

import msgspec

from batchwire.adapters.sandbox import replies
from batchwire.adapters.sandbox.carrier import Carrier
from batchwire.adapters.sandbox.replies import Reply
from batchwire.adapters.sandbox.requests import UNREADABLE_JSON, Request
from batchwire.adapters.sandbox.submissions import submit
from batchwire.errors import ProviderSettingsRefused


class Outage(msgspec.Struct, frozen=True):
    """The body of ``POST /outage``: how long to refuse connections."""

    duration_s: Annotated[float, msgspec.Meta(gt=0)]


_OUTAGE = msgspec.json.Decoder(Outage)
_SETTINGS = msgspec.json.Decoder(dict[str, object])

Handler = Callable[[Request], Reply]


class Api:
    """
    Answers whole requests; waits for nothing.

    ``POST /messages`` submits. The rest is the hand at the back, which no behaviour
    disturbs: ``GET`` and ``PUT /behaviour``, ``GET`` and ``DELETE /stats``
    (``?to=NUMBER`` and ``?recipients=1`` add how often numbers were accepted), and
    ``POST /outage``, for which ``refuse_connections`` is called with the seconds.
    """

    def __init__(
        self, carrier: Carrier, refuse_connections: Callable[[float], None]
    ) -> None:
        self._carrier = carrier
        self._refuse_connections = refuse_connections
        self._routes: dict[bytes, dict[bytes, Handler]] = {
            b"/messages": {b"POST": self._submit},
            b"/behaviour": {b"GET": self._show_behaviour, b"PUT": self._change},
            b"/stats": {b"GET": self._show_stats, b"DELETE": self._reset},
            b"/outage": {b"POST": self._begin_outage},
        }

    def answer(self, request: Request) -> Reply:
        """Do what the request asks for and say what came of it."""
        methods = self._routes.get(request.target.partition(b"?")[0])
        if methods is None:
            known = b", ".join(self._routes).decode()
            return _error(HTTPStatus.NOT_FOUND, f"there is only {known}")
        handler = methods.get(request.method)
        if handler is None:
            allowed = b", ".join(methods)
            return _error(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"here fits only {allowed.decode()}",
                b"Allow: " + allowed,
            )
        return handler(request)

    def refuse(self, status: HTTPStatus, problem: str) -> Reply:
        """Say why what came is no request; the connection ends with it."""
        self._carrier.tally.counts.bad_requests += 1
        return _error(status, problem, b"Connection: close")

    def _submit(self, request: Request) -> Reply:
        return submit(self._carrier, request)

    def _show_behaviour(self, _: Request) -> Reply:
        return _json(self._carrier.behaviour)

    def _change(self, request: Request) -> Reply:
        try:
            settings = _SETTINGS.decode(request.body)
            self._carrier.change(self._carrier.behaviour.changed(settings))
        except (*UNREADABLE_JSON, ProviderSettingsRefused) as problem:
            return _error(HTTPStatus.BAD_REQUEST, str(problem))
        return _json(self._carrier.behaviour)

    def _show_stats(self, request: Request) -> Reply:
        query = request.target.partition(b"?")[2].decode("latin-1")
        pairs = [pair.partition("=") for pair in query.split("&")]
        # Not parse_qs: a plus in a query is a plus here, as it begins every number.
        numbers = [unquote(value) for name, _, value in pairs if name == "to"]
        everyone = ("recipients", "=", "1") in pairs
        return _json(self._carrier.tally.stats(of=numbers, of_everyone=everyone))

    def _reset(self, _: Request) -> Reply:
        self._carrier.reset()
        return _json(self._carrier.tally.stats())

    def _begin_outage(self, request: Request) -> Reply:
        try:
            outage = _OUTAGE.decode(request.body)
        except UNREADABLE_JSON as problem:
            return _error(HTTPStatus.BAD_REQUEST, str(problem))
        self._refuse_connections(outage.duration_s)
        return _json(outage, HTTPStatus.ACCEPTED)


def _json(value: object, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    return Reply(replies.render_json(status, value))


def _error(status: HTTPStatus, message: str, *headers: bytes) -> Reply:
    return Reply(replies.error(status, message, *headers))
