"""A record of ours from a message of librdkafka's."""

from typing import cast

from confluent_kafka import Message

from batchwire.domain.record import Headers, Place, Record


def record_of(message: Message, topic: str) -> Record:
    """Read a message that is no error; ``topic`` is known, and asking for it costs."""
    kind, at_ms = message.timestamp()
    # The client's types speak of messages in general: one that was read has a place,
    # and a list of headers, if any.
    place = cast("tuple[int, int]", (message.partition(), message.offset()))
    return Record(
        key=message.key(),
        value=message.value(),
        headers=cast("Headers", tuple(message.headers() or ())),
        place=Place(topic, *place),
        at_ms=at_ms if kind else 0,
    )
