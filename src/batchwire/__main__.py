"""The program: ``batchwire``, or ``python -m batchwire``."""

import gc
import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # What is imported stays: to walk it again and again takes a seventh of the start.
    gc.set_threshold(100_000)
    try:
        # Imported here: Ctrl-C meanwhile is no traceback.
        from batchwire.cli import streams  # noqa: PLC0415
        from batchwire.cli.app import run  # noqa: PLC0415

        streams.secure()
        ended = run(sys.argv[1:])
    except KeyboardInterrupt:
        ended = 130  # cli.exit_codes.INTERRUPTED, which may not be there yet
    sys.exit(ended)


if __name__ == "__main__":
    main()
