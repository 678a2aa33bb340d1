"""Every metric, with what a spike means. Each process serves them at /metrics (`web.serve_health`, or its own FastAPI app)."""

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter("winback_records_total", "Records handled. A stop while lag grows: the consumer hangs.", ["consumer", "topic"])
LAG_RECORDS = Gauge(
    "winback_lag_records",
    "Records behind the end of the partition. A climb: the consumer is slower than its input.",
    ["consumer", "topic", "partition"],
)
LAG_SECONDS = Gauge(
    "winback_lag_seconds",
    "Age of the record handled last, 0 when idle at the end. A climb: what people see is old.",
    ["consumer", "topic", "partition"],
)
DEAD_LETTERS = Counter(
    "winback_dead_letters_total", "Records put aside. Any: look at `winback dead-letters list`.", ["topic", "consumer"]
)
RECORDS_SKIPPED = Counter(
    "winback_records_skipped_total",
    "Records of organizations that do not exist here. Any that go on: an ERP sends for a deleted one.",
    ["consumer", "topic"],
)

ORDERS_ACCEPTED = Counter("winback_orders_accepted_total", "Orders that Kafka has. A stop: the feed is silent.", ["source"])
ORDERS_REFUSED = Counter(
    "winback_orders_refused_total",
    "Orders refused, by the first field that was wrong. A spike: an ERP changed its format.",
    ["source", "field"],
)
LAST_ORDER_AT = Gauge(
    "winback_last_order_timestamp_seconds",
    "When an organization's newest order was accepted. Old: its feed is stale.",
    ["organization"],
)

SIGNAL_EVENTS = Counter(
    "winback_signal_events_total",
    "Signal events by type of signal and of event. A spike of opened: thresholds, or a dead feed.",
    ["signal_type", "event"],
)
RUN_SECONDS = Histogram(
    "winback_run_seconds",
    "Duration of a run in the detector. A climb: more accounts are due than before.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
CHECKPOINT_SECONDS = Histogram(
    "winback_checkpoint_seconds",
    "Duration of a checkpoint. A climb: the broker or the disk is slow.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
CACHED_ACCOUNTS = Gauge("winback_detector_cached_accounts", "Accounts decoded in memory. At the bound: expect reads from disk.")

RUNS_PENDING = Gauge(
    "winback_runs_pending", "Runs asked for and not complete. Above 1 for minutes: the detector or an import holds them."
)
SLOTS_FIRED = Counter("winback_slots_fired_total", "Schedule slots fired. A stop: no clock leads.", ["kind"])
SLOTS_DROPPED = Counter("winback_slots_dropped_total", "Slots given up. Any: a digest was missed.", ["kind"])
DIGESTS_LATE = Counter("winback_digests_late_total", "Digest slots without a complete run after two hours. Any: a run hangs.")
AUDIT_DIFFERENCES = Gauge(
    "winback_audit_differences", "Differences between detector and second opinion. Any: call us.", ["organization"]
)

DIGEST_LAST_SUCCESS = Gauge(
    "winback_digest_last_success_timestamp_seconds",
    "When the newest digest of an organization was handed to the mail server.",
    ["organization"],
)
OUTBOX_MAILS = Gauge(
    "winback_outbox_mails", "Mails in the outbox by state. Queued or retry that stay: the mail server refuses.", ["outbox", "state"]
)
OUTBOX_OLDEST_SECONDS = Gauge(
    "winback_outbox_oldest_seconds", "Age of the oldest mail that is not sent. A climb: mail does not leave.", ["outbox"]
)
MAILS_AMBIGUOUS = Counter(
    "winback_mails_ambiguous_total", "Mails whose answer was lost, sent again with the same Message-ID.", ["outbox"]
)
DRAFTS = Counter("winback_drafts_total", "Draft sequences made, by type of signal.", ["signal_type"])
ENROLLMENTS_SKIPPED = Counter("winback_enrollments_skipped_total", "Accounts skipped in drafts, by reason.", ["reason"])
