"""
A client that knows nothing of Batchwire: confluent-kafka, JSON, and the specification.

``python plain_client.py BROKERS TOPIC send MESSAGE_TYPE < message.json`` publishes one
message; ``python plain_client.py BROKERS TOPIC follow BATCH_ID`` prints what is said of
a batch until it has ended.
"""

import json
import sys
from typing import Any

from confluent_kafka import Consumer, Producer

ENDED = {"completed", "delivery_failed", "preparation_failed", "aborted", "expired"}


def send(brokers: str, topic: str, message_type: str, message: dict[str, Any]) -> None:
    """Publish a message, keyed by its batch."""
    producer = Producer({"bootstrap.servers": brokers, "acks": "all"})
    producer.produce(
        topic,
        key=message["batch_id"],
        value=json.dumps(message),
        headers={"message_type": message_type},
    )
    if producer.flush(30):
        raise SystemExit("the broker did not take the message")


def follow(brokers: str, topic: str, batch_id: str) -> None:
    """Print the status updates of a batch, to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"plain-{batch_id}",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    try:
        while not _is_last(consumer.poll(1.0), batch_id):
            pass
    finally:
        consumer.close()


def _is_last(record: Any, batch_id: str) -> bool:  # noqa: ANN401 - confluent-kafka's
    """Print a record, where it is an update of the batch; whether it tells the end."""
    if record is None or record.error() or record.key() != batch_id.encode():
        return False
    if dict(record.headers() or []).get("message_type") != b"batch_status_update":
        return False
    update = json.loads(record.value())
    told = {key: update[key] for key in ("processed", "success", "failed")}
    print(f"{update['status']:<20} {update['progress']:>5.0%}  {told}", flush=True)
    return update["status"] in ENDED


if __name__ == "__main__":
    if sys.argv[3] == "send":
        send(sys.argv[1], sys.argv[2], sys.argv[4], json.load(sys.stdin))
    else:
        follow(sys.argv[1], sys.argv[2], sys.argv[4])
