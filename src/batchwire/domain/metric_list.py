"""
Every metric there is: the closed list that code, ``/metrics`` and the page share.

Seconds and bytes. To add one, add it here (and to ``METRICS`` by its being here); the
page is made from it (arroyo's ``metric_defs.py`` is the model).
"""

from batchwire.domain.dead_letter import Disposition
from batchwire.domain.metric import Counter, Gauge, Histogram, Label, Metric

OTHER = "other"  # value of a label for what is not in its list

_TYPE = Label(
    "type", ("batch_request", "batch_status_update", "batch_operation", OTHER)
)
_PARTITION = (Label("consumergroup"), Label("topic"), Label("partition"))

# Consumer

CONSUMER_RECEIVED = Counter(
    name="batchwire_consumer_received_total",
    meaning="Records received from the topic, by message type.",
    labels=(_TYPE,),
)
CONSUMER_PROCESSED = Counter(
    name="batchwire_consumer_processed_total",
    meaning="Events finished: `ok` had their effect, `duplicate` were here before,"
    " `stale` are older than what is known, `echo` are our own, `retried` will be tried"
    " again, `dead` are dead letters, `failed` is a further try of one that holds up"
    " its partition (`force_commit` off).",
    labels=(
        _TYPE,
        Label(
            "outcome",
            ("ok", "duplicate", "stale", "echo", "retried", "dead", "failed"),
        ),
    ),
)
CONSUMER_PROCESSING = Histogram(
    name="batchwire_consumer_processing_seconds",
    meaning="From taking an event out of its lane until its effect is durable.",
    unit="seconds",
)
CONSUMER_END_TO_END = Histogram(
    name="batchwire_consumer_end_to_end_seconds",
    meaning="From the record's time in the topic until its effect is durable, by message type.",
    unit="seconds",
    labels=(_TYPE,),
    buckets=(0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600),
)
CONSUMER_IN_FLIGHT = Gauge(
    name="batchwire_consumer_in_flight",
    meaning="Events being handled now; at most `processors`.",
)
CONSUMER_QUEUED = Gauge(
    name="batchwire_consumer_queued",
    meaning="Events waiting or running; fetching pauses at `queue_capacity`.",
)
CONSUMER_QUEUED_BYTES = Gauge(
    name="batchwire_consumer_queued_bytes",
    meaning="Size of the events waiting or running; fetching pauses at 32 MiB.",
    unit="bytes",
)
CONSUMER_LANES = Gauge(
    name="batchwire_consumer_lanes",
    meaning="Keys (batches) that have events waiting or running.",
)
CONSUMER_OLDEST_UNFINISHED = Gauge(
    name="batchwire_consumer_oldest_unfinished_seconds",
    meaning="Since the oldest unfinished event was received; 0 where there is none.",
    unit="seconds",
)
CONSUMER_LAG_RECORDS = Gauge(
    name="batchwire_consumer_lag_records",
    meaning="Records in the partition that are not finished.",
    labels=_PARTITION,
    also="kafka_consumergroup_lag",
)
CONSUMER_LAG = Gauge(
    name="batchwire_consumer_lag_seconds",
    meaning="Age of the partition's oldest unfinished record; 0 where there is none.",
    unit="seconds",
    labels=_PARTITION,
)
CONSUMER_REBALANCES = Counter(
    name="batchwire_consumer_rebalances_total",
    meaning="Partitions that came (`assigned`) or went (`revoked` in order, `lost`"
    " without warning), counted by call.",
    labels=(Label("kind", ("assigned", "revoked", "lost")),),
)
CONSUMER_COMMITS = Counter(
    name="batchwire_consumer_commits_total",
    meaning="Commits of finished offsets.",
    labels=(Label("outcome", ("ok", "failed")),),
)
CONSUMER_LAST_POLL = Gauge(
    name="batchwire_consumer_last_poll_timestamp_seconds",
    meaning="Unix time of the last poll of each group member in this process.",
    unit="seconds",
    labels=(Label("member"),),
)
ERRORS = Counter(
    name="batchwire_errors_total",
    meaning="Errors by their code, wherever they happened.",
    labels=(Label("error_type"),),
)

# Outbox

OUTBOX_PENDING = Gauge(
    name="batchwire_outbox_pending",
    meaning="Records that wait to be published.",
)
OUTBOX_OLDEST = Gauge(
    name="batchwire_outbox_oldest_seconds",
    meaning="Age of the oldest record that waits; 0 where there is none.",
    unit="seconds",
)
OUTBOX_PUBLISHED = Counter(
    name="batchwire_outbox_published_total",
    meaning="Records that the relay took: `ok` are acknowledged, `failed` will be tried"
    " again, `refused` never can be published and are dead letters.",
    labels=(Label("outcome", ("ok", "failed", "refused")),),
)

# Dead letters

DEAD_LETTERS = Counter(
    name="batchwire_dead_letters_total",
    meaning="Records that became dead letters, by disposition.",
    labels=(Label("disposition", tuple(Disposition)),),
)
DEAD_LETTERS_REDRIVEN = Counter(
    name="batchwire_dead_letters_redriven_total",
    meaning="Dead letters sent again (`sent`), or kept because they came back too often"
    " (`quarantined`).",
    labels=(Label("outcome", ("sent", "quarantined")),),
)

METRICS = tuple(one for one in list(globals().values()) if isinstance(one, Metric))
