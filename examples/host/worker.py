"""
An asyncio program that sends a batch by itself, and reports it on Kafka.

``KAFKA_BROKERS=localhost:9092 python examples/host/worker.py``. What is about Batchwire
is marked (1), (2), (3); ``submit`` stands for what sends the messages today.
"""

import asyncio

from batchwire.integration import BatchEventIntegration, connect  # (1)

PEOPLE = ["+4915112345678", "+4915112345679", "+4915112345670"]
TEMPLATE = "The shop opens at nine."


async def submit(number: str) -> bool:
    """Send one message."""
    await asyncio.sleep(0.01)
    return number != PEOPLE[1]


async def send(events: BatchEventIntegration, batch_id: str) -> None:
    """Send to everybody; the calls are plain ones, and wait for nothing."""
    events.on_sms_batch_created(batch_id, "worker", PEOPLE, TEMPLATE, {})  # (3)
    success = failed = 0
    for number in PEOPLE:
        if await submit(number):
            success += 1
        else:
            failed += 1
        done = success + failed
        share = done / len(PEOPLE)
        events.on_sms_batch_status_changed(
            batch_id, "delivery_running", "delivery", share, done, success, failed
        )
    events.on_sms_batch_status_changed(
        batch_id, "completed", "delivery", 1.0, success + failed, success, failed
    )


async def main() -> None:
    """Send one batch."""
    events = connect(source="/worker")  # (2) brokers and topic from the environment
    await send(events, "opening")
    await asyncio.to_thread(events.close)  # what waits is sent, or stays in the spool
    print(events.metrics())


if __name__ == "__main__":
    asyncio.run(main())
