"""
The schema. Nothing here exists once per recipient.

The migrations build it; a test holds that both agree. Times are Unix milliseconds, so
that every database compares them alike.
"""

from sqlalchemy import (
    BigInteger,
    Column,
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
    Index("batches_by_status", "status"),
    Index("batches_by_list", "list_id"),
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
        postgresql_where=text("open > 0 AND lease_owner IS NULL"),
    ),
    Index(
        "chunks_leased",
        "batch",
        "number",
        sqlite_where=text("lease_owner IS NOT NULL"),
        postgresql_where=text("lease_owner IS NOT NULL"),
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

# Event log and outbox in one; the names are those of Debezium's outbox router.
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
    Column("published_at", BigInteger),
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
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("number", String(16), primary_key=True),
    Column("reason", String(255), nullable=False),
    Column("since", BigInteger, nullable=False),
)
