"""What PostgreSQL says, in our own words."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import msgspec
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from batchwire.errors import (
    BatchwireError,
    MalformedMessage,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
    UnknownSchema,
)

_RESTORE = "restore it from a backup"
_AWAY = "the server is away or is just starting; try again when it answers"

# By SQLSTATE, a class after its members (PostgreSQL's appendix A).
_BY_STATE: dict[str, tuple[type[StoreError], str]] = {
    "08": (StoreUnreachable, _AWAY),
    "25006": (StoreReadOnly, "takes no writes; name the primary, not a standby"),
    "28": (StoreUnreachable, "the user or the password is refused"),
    "3D000": (StoreUnreachable, "there is no such database; `createdb` makes it"),
    "40": (StoreBusy, "others changed the same at the same time; try again"),
    "42501": (StoreReadOnly, "the user may not do this; grant it what is missing"),
    "42P01": (UnknownSchema, "has not our tables; run `batchwire db upgrade`"),
    "42703": (UnknownSchema, "has other tables; run `batchwire db upgrade`"),
    "53100": (StoreFull, "the server's disk is full; free space and it goes on"),
    "53300": (StoreBusy, "has no connection left; raise max_connections"),
    "53": (StoreBusy, "the server lacks memory or another resource"),
    "55P03": (StoreBusy, "another process keeps a row for longer than we wait"),
    "57014": (StoreBusy, "the server cancelled the statement"),
    "57": (StoreUnreachable, _AWAY),
    "58": (StoreUnreachable, "the server cannot read or write; check its disk"),
    "XX001": (StoreDamaged, f"is damaged; {_RESTORE}"),
    "XX002": (StoreDamaged, "an index is damaged; REINDEX makes it anew"),
}
_WHY = ("28", "42501", "58")  # where the server knows better what is missing
_NUL = "22021"
# The transaction did nothing and may run again as it is: serialization failure,
# deadlock, the same row inserted by two, a plan from before a migration.
_AGAIN = ("40001", "40P01", "23505", "0A000")


def is_passing(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed when it is run again at once."""
    return error.connection_invalidated or state_of(error.orig) in _AGAIN


def state_of(error: BaseException | None) -> str:
    """Give the SQLSTATE, empty where the server did not speak."""
    return getattr(error, "sqlstate", None) or ""


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn the driver's errors into ours; what is a bug stays what it is."""
    try:
        yield
    except PoolTimeout as error:
        raise StoreBusy(f"database {name}: too many calls wait for it") from error
    except msgspec.MsgspecError as error:
        message = f"database {name}: a row cannot be read ({error}); {_RESTORE}"
        raise StoreDamaged(message) from error
    except DBAPIError as error:
        raise _ours(name, error.orig, is_lost=error.connection_invalidated) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _ours(name, error, is_lost=False) from error
    except OSError as error:  # refused, timed out, no such host or socket
        raise StoreUnreachable(f"database {name}: {_AWAY} ({error})") from error


def _ours(name: str, error: BaseException | None, *, is_lost: bool) -> BatchwireError:
    state = state_of(error)
    if state == _NUL:
        return MalformedMessage("", "a text with a NUL character cannot be stored")
    for prefix, (kind, problem) in _BY_STATE.items():
        if state.startswith(prefix):
            said = f" ({error})" if prefix in _WHY else ""
            return kind(f"database {name}: {problem}{said}")
    is_silent = isinstance(error, asyncpg.InterfaceError)
    if is_lost or (is_silent and not isinstance(error, ValueError)):  # a bad option
        return StoreUnreachable(f"database {name}: {_AWAY}")
    return StoreError(f"database {name}: {error}")
