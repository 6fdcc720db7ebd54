"""
A program that runs a command, and kills it when its last user is gone.

``python keeper.py USERS COMMAND …``: every user holds a shared lock (``flock``) on the
file USERS. The kernel lets go of it however a process ends, kill -9 included, so this
is a count of references that cannot leak. It prints the command's process id, and ends
when the command ends. (PR_SET_PDEATHSIG was not taken: it follows the thread that
started the process, knows one parent only, and exists on Linux only.)
"""

import fcntl
import subprocess
import sys
import threading
from pathlib import Path


def main(users: str, *command: str) -> int:
    """Run; returns the command's exit code."""
    child = subprocess.Popen(command, stdout=sys.stderr)  # noqa: S603 - its purpose
    print(child.pid, flush=True)  # noqa: T201 - the answer to who started us
    watch = threading.Thread(target=_kill_unused, args=(users, child), daemon=True)
    watch.start()
    return child.wait()


def _kill_unused(users: str, child: "subprocess.Popen[bytes]") -> None:
    with Path(users).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
