"""What the program's exit code says; the reference page is made from this table."""

from enum import IntEnum

from batchwire.errors import (
    BatchError,
    BatchwireError,
    BrokerError,
    MessageError,
    OutputError,
    ProviderError,
    SettingsError,
    StoreError,
)


class ExitCode(IntEnum):
    """How a command ended; the values are stable."""

    OK = 0
    NOT_GOOD = 1
    USAGE = 2
    BAD_INPUT = 3
    SETTINGS = 4
    BATCH = 5
    PROVIDER = 6
    STORE = 7
    BROKER = 8
    INTERNAL = 70
    OUTPUT = 74  # EX_IOERR of sysexits.h, as 70 is its EX_SOFTWARE
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "Done.",
    ExitCode.NOT_GOOD: "The batch that was waited for ended as delivery_failed,"
    " preparation_failed, aborted or expired, or the provider is not known to have taken"
    " anybody of it; or a dry run found nobody to send to; or `verify` found a"
    " contradiction; or the numbers of `demo` do not add up; or `dlq redrive` left"
    " letters behind that were meant; or `suppressions add` was given what is no number.",
    ExitCode.USAGE: "The command line is not right; nothing was done.",
    ExitCode.BAD_INPUT: "The list, the template or a time cannot be used; nothing was"
    " made.",
    ExitCode.SETTINGS: "A setting is unknown or has a bad value.",
    ExitCode.BATCH: "The request contradicts the batch: there is none of this id, the"
    " operation does not fit its status, or the request_id was used for something else.",
    ExitCode.PROVIDER: "The provider cannot be used: its settings or its credentials.",
    ExitCode.STORE: "The database cannot be used, or another engine works on it.",
    ExitCode.BROKER: "The broker cannot be used, or a topic is not as it should be.",
    ExitCode.INTERNAL: "A defect of the program itself.",
    ExitCode.OUTPUT: "Standard output cannot be written: its disk is full, for example."
    " What the command did is done.",
    ExitCode.INTERRUPTED: "Ended by Ctrl-C or SIGTERM; what is done is recorded."
    " `serve` ends with 0 once it is drained, as it should.",
}

_BY_ERROR: dict[type[BatchwireError], ExitCode] = {
    MessageError: ExitCode.BAD_INPUT,
    SettingsError: ExitCode.SETTINGS,
    BatchError: ExitCode.BATCH,
    ProviderError: ExitCode.PROVIDER,
    StoreError: ExitCode.STORE,
    BrokerError: ExitCode.BROKER,
    OutputError: ExitCode.OUTPUT,
}


def of_error(error: BatchwireError) -> ExitCode:
    """Find the exit code of an error by its kind."""
    kinds = (code for kind, code in _BY_ERROR.items() if isinstance(error, kind))
    return next(kinds, ExitCode.INTERNAL)
