"""
Everything that can go wrong, as one tree.

::

    BatchwireError
    ├── MessageError              what reached us is unusable
    │   ├── MalformedMessage
    │   ├── UnsupportedType
    │   ├── UnreadableList
    │   │   └── ListUnavailable
    │   ├── BrokenTemplate
    │   └── DeadLettersExceeded
    ├── BatchError                the request contradicts the batch
    │   ├── UnknownBatch
    │   ├── BatchConflict
    │   ├── IllegalOperation
    │   ├── RecipientsPurged
    │   └── StaleBatch
    ├── ProviderError             a provider cannot be used at all
    │   └── ProviderSettingsRefused
    ├── StoreError                the database cannot do what it should
    │   ├── StoreBusy
    │   ├── StoreFull
    │   ├── OutboxFull
    │   ├── StoreReadOnly
    │   ├── StoreUnreachable
    │   ├── StoreInDoubt
    │   ├── StoreDamaged
    │   ├── StoreReplaced
    │   ├── UnknownSchema
    │   ├── EngineAlreadyRunning
    │   ├── CopyRefused
    │   ├── StaleLease
    │   └── SpoolFull
    ├── BrokerError               the broker cannot do what it should
    │   ├── BrokerUnreachable
    │   ├── BrokerRefused
    │   ├── TopicMissing
    │   └── RecordTooLarge
    ├── SettingsError             a setting is unknown or has a bad value
    └── OutputError               standard output cannot be written

``code`` is stable: logs, metrics, exit codes and API problems use it. ``retryable``
says whether the same call can succeed later with nothing changed. What a provider
answers about one message is no error but a value: ``domain.outcome.Answer``.
"""

from typing import ClassVar


class BatchwireError(Exception):
    """The root: catch this to catch all of ours. ``str()`` is a sentence for a person."""

    code: ClassVar[str] = "batchwire_error"
    retryable: ClassVar[bool] = False


class MessageError(BatchwireError):
    """What reached us is unusable: the sender must change it."""

    code = "message_error"


class MalformedMessage(MessageError):
    """A request misses a field or has a bad value; ``field`` is its path."""

    code = "malformed_message"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


class UnsupportedType(MessageError):
    """A message or batch type that this service does not handle."""

    code = "unsupported_type"


class UnreadableList(MessageError):
    """A recipient list cannot be read; ``line`` is 1-based, 0 where none applies."""

    code = "unreadable_list"

    def __init__(
        self, problem: str, *, remedy: str, line: int = 0, source: str = ""
    ) -> None:
        place = f"{source or 'the list'}{f', line {line}' if line else ''}"
        super().__init__(f"{place}: {problem}. {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.line = line
        self.source = source


class ListUnavailable(UnreadableList):
    """The server of a recipient list does not answer as it should just now."""

    code = "list_unavailable"
    retryable = True


class BrokenTemplate(MessageError):
    """A template cannot be compiled; ``column`` is 1-based."""

    code = "broken_template"

    def __init__(self, problem: str, *, column: int = 0) -> None:
        place = f"template, column {column}: " if column else "template: "
        super().__init__(place + problem)
        self.column = column


class DeadLettersExceeded(MessageError):
    """The consumer stopped: too much of what it receives cannot be handled."""

    code = "dead_letters_exceeded"

    def __init__(self, found: str) -> None:
        super().__init__(
            f"{found} could not be handled, so the consumer stopped before the topic"
            " drains into the dead letters; `batchwire dlq list` shows them: mend their"
            " producer, or this program, and start again"
        )


class BatchError(BatchwireError):
    """The request contradicts the batch."""

    code = "batch_error"

    def __init__(self, batch_id: str, problem: str) -> None:
        super().__init__(f"batch {batch_id}: {problem}")
        self.batch_id = batch_id
        self.problem = problem


class UnknownBatch(BatchError):
    """There is no batch of this id."""

    code = "unknown_batch"

    def __init__(self, batch_id: str) -> None:
        super().__init__(batch_id, "there is no such batch; `batchwire list` shows all")


class BatchConflict(BatchError):
    """The batch_id or request_id is taken by a request with other content."""

    code = "batch_conflict"


class IllegalOperation(BatchError):
    """The operation does not fit the batch; ``allowed`` are those that do."""

    code = "illegal_operation"

    def __init__(
        self, batch_id: str, operation: str, because: str, allowed: tuple[str, ...]
    ) -> None:
        problem = f"{operation} does not fit: {because}"
        if operation not in allowed:  # else the status is not what is wrong
            fits = ", ".join(allowed) or "nothing: it has ended for good"
            problem += f"; what fits now: {fits}"
        super().__init__(batch_id, problem)
        self.operation = operation
        self.because = because
        self.allowed = allowed


class RecipientsPurged(BatchError):
    """Who the recipients were is forgotten (``batchwire purge``); the counts are not."""

    code = "recipients_purged"

    def __init__(self, batch_id: str) -> None:
        super().__init__(
            batch_id,
            "its recipients were purged; counts, events and verify are what is left",
        )


class StaleBatch(BatchError):
    """Somebody else changed the batch between our read and our write."""

    code = "stale_batch"
    retryable = True


class ProviderError(BatchwireError):
    """A provider cannot be used at all."""

    code = "provider_error"


class ProviderSettingsRefused(ProviderError):
    """The settings of a provider are unusable; says which one and what to do."""

    code = "provider_settings_refused"


class StoreError(BatchwireError):
    """The database cannot do what it should; nothing was acknowledged."""

    code = "store_error"


class StoreBusy(StoreError):
    """Another process holds the write lock for longer than we wait."""

    code = "store_busy"
    retryable = True


class StoreFull(StoreError):
    """No space is left on the database's disk, or for temporary files."""

    code = "store_full"
    retryable = True


class OutboxFull(StoreError):
    """Too many records wait to be published: new batches wait, operations pass."""

    code = "outbox_full"
    retryable = True

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most:,} records and more wait to be published (outbox_max_rows), so no"
            " new batch is taken; see that the broker can be reached and `batchwire"
            " serve` runs, and try again"
        )
        self.most = most


class StoreReadOnly(StoreError):
    """The database file or its directory cannot be written."""

    code = "store_read_only"
    retryable = True


class StoreUnreachable(StoreError):
    """The database cannot be opened or does not answer."""

    code = "store_unreachable"
    retryable = True


class StoreInDoubt(StoreError):
    """The database went away during a commit and did not come back to say of it."""

    code = "store_in_doubt"


class StoreDamaged(StoreError):
    """The file is no database, or its content contradicts itself."""

    code = "store_damaged"


class StoreReplaced(StoreError):
    """The database file is not where it was opened; nothing more is written or sent."""

    code = "store_replaced"


class UnknownSchema(StoreError):
    """The schema is of a newer program than this one, or of an older; says the remedy."""

    code = "unknown_schema"


class EngineAlreadyRunning(StoreError):
    """Another engine works on this database."""

    code = "engine_already_running"


class CopyRefused(StoreError):
    """A database cannot be copied: its target holds something, or it changes meanwhile."""

    code = "copy_refused"


class StaleLease(StoreError):
    """Another worker took over what we held; what we know of it is void."""

    code = "stale_lease"


class SpoolFull(StoreError):
    """A host's spool of events is at its limit; the event was not kept."""

    code = "spool_full"
    retryable = True


class BrokerError(BatchwireError):
    """The broker cannot do what it should; the record stays with its sender."""

    code = "broker_error"


class BrokerUnreachable(BrokerError):
    """The broker does not answer; a record may have been written all the same."""

    code = "broker_unreachable"
    retryable = True


class BrokerRefused(BrokerError):
    """The broker refuses our credentials, or this user may not do that."""

    code = "broker_refused"


class TopicMissing(BrokerError):
    """The topic does not exist; `batchwire topics create` makes it."""

    code = "topic_missing"
    retryable = True


class RecordTooLarge(BrokerError):
    """The record is larger than the topic takes; it can never be published."""

    code = "record_too_large"


class SettingsError(BatchwireError):
    """A setting is unknown or has a bad value; says the key, the value, the remedy."""

    code = "settings_error"


class OutputError(BatchwireError):
    """Standard output cannot be written; what the command did is done all the same."""

    code = "output_error"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"standard output cannot be written: {problem}; what was done is kept, what"
            " would be told of it is lost: free some space, or write it elsewhere"
        )
