"""Programs of this machine that a broker needs."""

import shutil


class KafkaUnavailable(Exception):
    """No broker can be started on this machine; says what is missing."""


def program(name: str, what: str) -> str:
    """
    Find a program in the PATH; ``what`` says what it is for.

    Raises:
        KafkaUnavailable: there is none.

    """
    path = shutil.which(name)
    if path is None:
        message = f"a Kafka broker needs {what}: there is no `{name}` in the PATH"
        raise KafkaUnavailable(message)
    return path


def java() -> str:
    """Find the Java program."""
    return program("java", "a Java 17 runtime")
