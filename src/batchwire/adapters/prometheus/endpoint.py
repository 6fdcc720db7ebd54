"""``/metrics`` over HTTP, on a thread of its own: it answers while the loop is busy."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from batchwire.adapters.prometheus.metrics import PrometheusMetrics
from batchwire.errors import SettingsError


@contextmanager
def served(
    metrics: PrometheusMetrics, port: int, host: str = "127.0.0.1"
) -> Iterator[int]:
    """
    Serve the figures until the block ends; gives the port, which 0 leaves to the system.

    Without authentication: on another host than the local one only inside a network of
    yours. Any path answers, ``/metrics`` is what Prometheus asks for.

    Raises:
        SettingsError: nobody can listen there.

    """
    try:
        server, thread = start_http_server(port, host, metrics.registry)
    except (OSError, OverflowError) as error:
        place = f"{host}:{port}"
        sentence = (
            f"metrics: cannot listen on {place}: {error}; take another port or host"
        )
        raise SettingsError(sentence) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
