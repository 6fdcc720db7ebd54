"""The sandbox provider's HTTP server in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from batchwire.adapters.sandbox import Behaviour, ServerSettings, run


@contextmanager
def server(latency_ms: float) -> Iterator[str]:
    """Start the server on a free port; gives its URL."""
    command = [sys.executable, "-m", "bench.sandbox_server", str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            said = process.stdout.readline() if process.stdout else ""
            if not said:
                problem = "the sandbox server did not start; its message stands above"
                raise RuntimeError(problem)
            yield said.split()[-1]
        finally:
            process.terminate()


if __name__ == "__main__":
    # Recipients are not counted one by one: the server is not what is measured.
    run(
        ServerSettings(
            behaviour=Behaviour(latency_ms=float(sys.argv[1]), count_recipients=False)
        )
    )
