"""The program: ``batchwire``, or ``python -m batchwire``."""

import gc
import signal
import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # What is imported stays: to walk it again and again takes a seventh of the start.
    gc.set_threshold(100_000)
    # Until the command is imported Ctrl-C ends us at once: nothing is begun yet, and
    # Python may lose its own exception within an import.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from batchwire.cli import streams  # noqa: PLC0415
    from batchwire.cli.app import run  # noqa: PLC0415

    streams.secure()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
