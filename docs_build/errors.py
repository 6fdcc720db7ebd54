"""The page of the errors: the tree with its codes, and the exit codes."""

from collections.abc import Iterator

from batchwire.cli.exit_codes import MEANINGS, of_error
from batchwire.errors import BatchwireError
from docs_build.markdown import code, first_line, table

_HEAD = """\
# Errors

`code` is stable; logs and `--json` carry it as `error_code` and `error.code`.
"Retryable" says that the same call can succeed later with nothing changed.

"""
_EXITS = """
## Exit codes

"""


def page() -> str:
    """Give the page."""
    tree = table(
        ("error", "code", "retryable", "exit code", "what happened"),
        (
            (
                f"{'&emsp;' * depth}{code(kind.__name__)}",
                code(kind.code),
                "yes" if kind.retryable else "",
                str(_exit(kind)),
                first_line(kind),
            )
            for depth, kind in _walk(BatchwireError, 0)
        ),
    )
    exits = table(
        ("exit code", "meaning"),
        ((str(number.value), meaning) for number, meaning in MEANINGS.items()),
    )
    return _HEAD + tree + _EXITS + exits


def _walk(
    kind: type[BatchwireError], depth: int
) -> Iterator[tuple[int, type[BatchwireError]]]:
    yield depth, kind
    for inner in kind.__subclasses__():
        if inner.__module__ == BatchwireError.__module__:
            yield from _walk(inner, depth + 1)


def _exit(kind: type[BatchwireError]) -> int:
    """Ask for the exit code of an error; the kind decides, so any instance does."""
    return of_error(kind.__new__(kind)).value
