"""The roles of ``batchwire serve``: which of the service's work a process does."""

from enum import StrEnum

import typer


class Role(StrEnum):
    """One part of the work; any number of processes may have the same."""

    ENGINE = "engine"  # prepares and delivers batches
    CONSUMER = "consumer"  # takes records from the topic
    RELAY = "relay"  # publishes what happened


EVERY = ",".join(Role)
EVENTS = frozenset({Role.CONSUMER, Role.RELAY})


def roles_of(text: str) -> frozenset[Role]:
    """Read what ``--roles`` says; a role that does not exist ends the command."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in set(Role)]
    if unknown or not words:
        problem = f"there is no role {unknown[0]!r}" if unknown else "no role is named"
        hint = "--roles"
        message = f"{problem}; there are {EVERY.replace(',', ', ')}"
        raise typer.BadParameter(message, param_hint=hint)
    return frozenset(map(Role, words))
