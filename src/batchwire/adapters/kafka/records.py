"""A record of ours from a message of librdkafka's."""

from operator import methodcaller

from confluent_kafka import Message

from batchwire.domain.record import UNREADABLE, Headers, Place, Record

# A name is any bytes; the client decodes it, and where it cannot returns a list with a
# hole and an exception set. Called by C that is found and raised; called by Python code
# that has run often (3.11 on) it is not looked at, and the hole ends the process.
_headers = methodcaller("headers")


def record_of(message: Message, topic: str) -> Record:
    """Read a message that is no error; ``topic`` is known, and asking for it costs."""
    kind, at_ms = message.timestamp()
    # The client's types speak of messages in general: one that was read has a place,
    # and a list of headers, if any.
    place = Place(topic, message.partition(), message.offset())  # type: ignore[arg-type]
    try:
        headers: Headers = tuple(_headers(message) or ())
    except (UnicodeDecodeError, SystemError):
        headers = ((UNREADABLE, b"a name that is not UTF-8"),)
    return Record(
        key=message.key(),
        value=message.value(),
        headers=headers,
        place=place,
        at_ms=at_ms if kind else 0,
    )
