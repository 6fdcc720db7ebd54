"""Ports that nobody listens on, and that nobody is given by chance."""

import random
import socket

# Below the range from which systems take ports for outgoing connections: a client that
# tries again and again to reach a broker that is away would otherwise be given that
# very port one day, connect to itself, and keep the broker from coming back.
FIRST, LAST = 20_000, 32_000


def free_ports(count: int) -> list[int]:
    """Choose that many ports of 127.0.0.1, at random among the free ones."""
    chosen: list[int] = []
    while len(chosen) < count:
        port = random.randint(FIRST, LAST)  # noqa: S311 - no secret
        if port not in chosen and _is_free(port):
            chosen.append(port)
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
