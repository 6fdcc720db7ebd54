"""
The schema. Nothing here exists once per recipient.

The migrations build it, but for a new SQLite file, which is made of what stands here; a
test holds that both agree. Times are Unix milliseconds, so that every database compares
them alike. The condition of a partial index stands here for SQLite alone: SQLAlchemy
loads each dialect that an option of it names.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

from batchwire.domain.outcome import Outcome

metadata = MetaData()

_serial = BigInteger().with_variant(Integer, "sqlite")

OUTCOMES = tuple(outcome.name.lower() for outcome in Outcome)


def _counts() -> list[Column[int]]:
    return [
        Column(name, Integer, nullable=False, server_default="0") for name in OUTCOMES
    ]


list_blocks = Table(
    "list_blocks",
    metadata,
    Column("list_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("added_at", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("batch_id", String(128), nullable=False, unique=True),
    Column("request_id", String(255), nullable=False, unique=True),
    Column("list_id", String(64), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("status", String(32), nullable=False),
    Column("limited_by", String(32), nullable=False, server_default=""),
    Column("resume_at", BigInteger),
    Column("parts", Integer, nullable=False, server_default="0"),
    *_counts(),
    Column("last_hash", LargeBinary, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("spec", LargeBinary, nullable=False),
    Column("prepared_by", String(64)),
    Index("batches_by_status", "status"),
    Index("batches_by_list", "list_id"),
    Index(
        "batches_in_preparation",
        "prepared_by",
        sqlite_where=text("prepared_by IS NOT NULL"),
    ),
)

# A chunk's hot row is small; its payload stands apart, written once, because SQLite
# rewrites a whole row at every update.
chunks = Table(
    "chunks",
    metadata,
    Column("batch", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("intent", Integer, nullable=False, server_default="0"),
    Column("lease_owner", String(64)),
    Column("leased_at", BigInteger),
    Column("due_at", BigInteger, nullable=False, server_default="0"),
    Column("closed_as", Integer),
    *_counts(),
    Index(
        "chunks_due",
        "batch",
        "due_at",
        "number",
        sqlite_where=text("open > 0 AND lease_owner IS NULL"),
    ),
    Index(
        "chunks_leased",
        "batch",
        "number",
        sqlite_where=text("lease_owner IS NOT NULL"),
    ),
)

payloads = Table(
    "payloads",
    metadata,
    Column("batch", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

results = Table(
    "results",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("batch", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("results_by_chunk", "batch", "number"),
)

# The event log of our own batches (aggregatetype batch) and of observed ones.
events = Table(
    "events",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("aggregatetype", String(32), nullable=False),
    Column("aggregateid", String(128), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("type", String(64), nullable=False),
    Column("at", String(40), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("aggregateid", "sequence"),
)

# The first answer to each operation, by its request_id.
operations = Table(
    "operations",
    metadata,
    Column("request_id", String(255), primary_key=True),
    Column("batch_id", String(128), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("refusal", LargeBinary),
    Column("operation", String(16), nullable=False, server_default=""),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("number", String(16), primary_key=True),
    Column("reason", String(255), nullable=False),
    Column("since", BigInteger, nullable=False),
    Index("suppressions_by_time", "since"),
)

# What waits to be published; the names are those of Debezium's outbox event router. A
# row lives until its record is acknowledged.
outbox = Table(
    "outbox",
    metadata,
    Column("position", _serial, primary_key=True),
    Column("id", String(255), nullable=False),
    Column("aggregatetype", String(32), nullable=False),
    Column("aggregateid", String(255), nullable=False),
    Column("type", String(64), nullable=False),
    Column("payload", LargeBinary),
    Column("key", LargeBinary),
    Column("headers", LargeBinary, nullable=False),
    Column("topic", String(249), nullable=False),
    Column("shard", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # no id ever comes back
)

# Who is at work; who does not move ``dead_at`` on before it has come is taken for dead.
workers = Table(
    "workers",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("dead_at", BigInteger, nullable=False, server_default="0"),
    Column("process", String(320), nullable=False, server_default=""),
    Column("since", BigInteger, nullable=False, server_default="0"),
    Column("heard_at", BigInteger, nullable=False, server_default="0"),
)

# Who publishes which part of the outbox: crc32(key) mod 64.
shards = Table(
    "shards",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(64), nullable=False),
)

# Which events were handled: one row, one effect.
inbox = Table(
    "inbox",
    metadata,
    Column("consumer", String(249), primary_key=True),
    Column("event_id", String(255), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("inbox_by_time", "at"),
    sqlite_with_rowid=False,
)

# Events that were repeats and had no effect, counted for whoever looks for trouble.
repeats = Table(
    "repeats",
    metadata,
    Column("consumer", String(249), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

# Batches that other systems execute.
observed = Table(
    "observed",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("batch_id", String(128), nullable=False, unique=True),
    Column("last_hash", LargeBinary, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

# Events that are tried again later, and those of the same batch behind them.
parked = Table(
    "parked",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("consumer", String(249), nullable=False),
    Column("event_id", String(255), nullable=False),
    Column("batch_id", String(255), nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
    UniqueConstraint("consumer", "event_id"),
    Index("parked_by_batch", "consumer", "batch_id", "id"),
    sqlite_autoincrement=True,  # no id ever comes back
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", _serial, primary_key=True),
    Column("event_id", String(255), nullable=False),
    Column("batch_id", String(255), nullable=False),
    Column("disposition", String(32), nullable=False),
    Column("message", String, nullable=False),
    Column("topic", String(249), nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("group_id", String(249), nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("failed_at", BigInteger, nullable=False),
    Column("replays", Integer, nullable=False, server_default="0"),
    Column("redriven_at", BigInteger),
    Column("redriven_by", String(255), nullable=False, server_default=""),
    Index("dead_letters_by_batch", "batch_id", "id"),
    Index("dead_letters_by_event", "event_id"),
    sqlite_autoincrement=True,  # no id ever comes back
)

# A rate that all processes share: where its slots end that are reserved, in
# microseconds, and the rate that somebody set; without one that of the settings holds.
pacers = Table(
    "pacers",
    metadata,
    Column("name", String(160), primary_key=True),
    Column("rate_parts_per_s", Float),
    Column("burst", Float),
    Column("reserved_until", BigInteger, nullable=False),
)

# The embedded topic: one partition a topic, its offsets without gap.
records = Table(
    "records",
    metadata,
    Column("topic", String(249), primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("record", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
)

topics = Table(
    "topics",
    metadata,
    Column("topic", String(249), primary_key=True),
    Column("next", BigInteger, nullable=False),
)

# How far each group has read, and which of its members reads now.
positions = Table(
    "positions",
    metadata,
    Column("topic", String(249), primary_key=True),
    Column("group_id", String(249), primary_key=True),
    Column("next", BigInteger, nullable=False, server_default="0"),
    Column("owner", String(64), nullable=False, server_default=""),
    Column("renewed_at", BigInteger, nullable=False, server_default="0"),
)
