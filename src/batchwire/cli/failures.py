"""Every way a command can fail, as a sentence and an exit code; no traceback."""

import errno
import os
import sys
import traceback
from collections.abc import Callable

import msgspec
import typer

from batchwire.cli.exit_codes import ExitCode, of_error
from batchwire.errors import BatchwireError, OutputError

DEBUG_VARIABLE = "BATCHWIRE_DEBUG"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def told(command: Callable[[], object], *, as_json: bool) -> int:
    """Call; tell the user what went wrong, if so; return the exit code."""
    try:
        ended = command()
        sys.stdout.flush()
    except OutputError as error:
        _hang_up()  # what is printed from here on would fail as well
        _tell(error.code, str(error), as_json=False)
        return of_error(error)
    except BatchwireError as error:
        _tell(error.code, str(error), as_json=as_json)
        return of_error(error)
    except typer.TyperException as error:
        _tell("usage", _usage(error), as_json=as_json)
        return ExitCode.USAGE
    except (SystemExit, BrokenPipeError):  # the first is Typer's answer to the second
        return _hang_up()
    except Exception as error:  # noqa: BLE001 - the last line before the user
        return _unknown(error, as_json=as_json)
    return ended if isinstance(ended, int) else ExitCode.OK


def _unknown(error: Exception, *, as_json: bool) -> int:
    if isinstance(error, OSError) and error.errno in _FULL:
        problem = f"{error.filename or 'a file'}: {error.strerror}; free some space"
        _tell("disk_full", problem, as_json=as_json)
        return ExitCode.STORE
    _tell("internal_error", _defect(error), as_json=as_json)
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    return ExitCode.INTERNAL


def _tell(code: str, message: str, *, as_json: bool) -> None:
    if as_json:
        body = {"error": {"code": code, "message": message}}
        try:
            print(msgspec.json.encode(body).decode(), flush=True)  # noqa: T201
        except (OSError, OutputError):
            _hang_up()
        else:
            return
    print(f"error: {message}", file=sys.stderr)  # noqa: T201


def _usage(error: typer.TyperException) -> str:
    """Add where the help is; Typer's errors of usage know their command."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "batchwire"
    problem = error.format_message().replace("Value error, ", "").rstrip(".")
    mark = "" if problem.endswith("?") else ";"
    return f"{problem}{mark} `{path} --help` shows what fits"


def _defect(error: Exception) -> str:
    return (
        f"this is a defect in batchwire ({type(error).__name__}: {error}); run it again"
        f" with {DEBUG_VARIABLE}=1 and report what it prints"
    )


def _hang_up() -> int:
    """Nobody reads on (``| head``): end quietly, also when Python flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.OK
