"""
A synchronous web application with batches of its own, which reports them on Kafka.

``KAFKA_BROKERS=localhost:9092 python examples/host/web.py 8000``, then
``curl -d '["+4915112345678"]' localhost:8000/batches`` and
``curl -d '' localhost:8000/batches/1/pause``. What is about Batchwire is marked (1),
(2), (3); the rest is the application, as it would be in Flask or Django.
"""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import make_server

from batchwire.integration import connect  # (1)

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

TEMPLATE = "Your order is on its way."

events = connect(source="/shop")  # (2) brokers and topic come from the environment
batches: dict[str, dict[str, Any]] = {}


def create(body: str) -> dict[str, Any]:
    """Take in a list of numbers as a batch."""
    batch_id = str(len(batches) + 1)
    batch = {"id": batch_id, "to": json.loads(body), "status": "preparation_ready"}
    batches[batch_id] = batch
    events.on_sms_batch_created(batch_id, "shop", batch["to"], TEMPLATE, {})  # (3)
    return batch


def pause(batch_id: str) -> dict[str, Any]:
    """Stop a batch for a while."""
    batch = batches[batch_id]
    batch["status"] = "delivery_paused"
    events.on_sms_batch_paused(batch_id, "delivery", "asked by a person", "web")
    events.on_sms_batch_status_changed(batch_id, batch["status"], "delivery")
    return batch


def app(environ: "WSGIEnvironment", respond: "StartResponse") -> Iterable[bytes]:
    """Answer a request."""
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size).decode()
    match environ["PATH_INFO"].split("/")[1:]:
        case ["batches"]:
            answer = create(body)
        case ["batches", batch_id, "pause"] if batch_id in batches:
            answer = pause(batch_id)
        case _:
            respond("404 Not Found", [])
            return []
    respond("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


if __name__ == "__main__":
    with make_server("127.0.0.1", int(sys.argv[1]), app) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
