"""Every metric: what it is, what a spike means, what to do. Each process serves them at /metrics
(`shared.health`, or its own app).

`ABOUT` keeps the words beside each metric: docs/metrics.md is written from them, and a test holds
every query of an alert or a dashboard against this list. A labelled counter that does not exist yet
is not zero but absent, and Prometheus sees no increase in its first value: whoever counts calls
`.labels(…)` once at its start.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram


@dataclass(frozen=True, kw_only=True)
class About:
    """For an operator. spike: what an unusual value means. do: where to look then."""

    what: str
    spike: str
    do: str


ABOUT: dict[str, About] = {}  # a metric's name, as it is scraped -> its words


def _counter(name: str, what: str, labels: Sequence[str] = (), *, spike: str, do: str) -> Counter:
    ABOUT[name] = About(what=what, spike=spike, do=do)
    return Counter(name, f"{what} {spike}", labels)


def _gauge(name: str, what: str, labels: Sequence[str] = (), *, spike: str, do: str) -> Gauge:
    ABOUT[name] = About(what=what, spike=spike, do=do)
    return Gauge(name, f"{what} {spike}", labels)


def _histogram(
    name: str, what: str, labels: Sequence[str] = (), *,
    buckets: Sequence[float], spike: str, do: str,
) -> Histogram:  # fmt: skip
    ABOUT[name] = About(what=what, spike=spike, do=do)
    return Histogram(name, f"{what} {spike}", labels, buckets=buckets)


# -- every process ---------------------------------------------------------------------------------

READY = _gauge(
    "winback_ready",
    "1 while /readyz says yes.",
    spike="0: the process lives and does no work; /readyz says why.",
    do="Read /readyz, then the process's log. What it names (Kafka, PostgreSQL) is what to mend.",
)

SECURITY_EVENTS = _counter(
    "winback_security_events_total",
    "What happened to access: sign-ins, refusals, exports, changes of members and tokens.",
    ["kind"],
    spike="A burst of refusals: somebody tries tokens, links, codes or forged forms; of exports: "
    "somebody takes the data along.",
    do="The log's `security` lines say who, by a name that `winback sessions end` prints too; "
    "end their sessions, rotate the token.",
)

# -- consumers -------------------------------------------------------------------------------------

RECORDS = _counter(
    "winback_records_total",
    "Records handled.",
    ["consumer", "topic"],
    spike="A stop while lag grows: the consumer hangs.",
    do="Restart it: it goes on at the position in PostgreSQL (the detector: in its state).",
)
LAG_RECORDS = _gauge(
    "winback_lag_records",
    "Records behind the end of the partition, as the consumer sees it.",
    ["consumer", "topic", "partition"],
    spike="A climb: the consumer is slower than its input.",
    do="After an import it falls by itself. "
    "Else look at the CPU of the process and of PostgreSQL; run another one.",
)
LAG_SECONDS = _gauge(
    "winback_lag_seconds",
    "Age of the record handled last, 0 when idle at the end.",
    ["consumer", "topic", "partition"],
    spike="A climb: what people see is old.",
    do="As for winback_lag_records.",
)
DEAD_LETTERS = _counter(
    "winback_dead_letters_total",
    "Records put aside.",
    ["topic", "consumer"],
    spike="Any: somebody sends what cannot be read, or a deploy cannot read what it should.",
    do="`winback dead-letters list`, `show ID`; mend the cause, then `replay ID`.",
)
QUARANTINED = _counter(
    "winback_quarantined_total",
    "Records put aside whole since each ended a process three times.",
    ["topic", "consumer"],
    spike="Any: a record met a fault of ours; its partition goes on, its organization lacks it.",
    do="`winback dead-letters show ID`; upgrade to what mends it, then `replay ID` and `audit`.",
)
SATURATED = _counter(
    "winback_saturated_signals_total",
    "Signals whose sums are beyond what is kept: the largest amount that is kept stands there.",
    spike="Any: amounts of somebody's orders are wrong by many powers of ten.",
    do="The detector's log names the account; its organization's Health page says so, too.",
)
RECORDS_SKIPPED = _counter(
    "winback_records_skipped_total",
    "Records of organizations that do not exist here.",
    ["consumer", "topic"],
    spike="Any that go on: an ERP sends for a deleted one.",
    do="Revoke the token (`winback token list ORG`); the records are lost on purpose.",
)
UNREAD_RECORDS = _gauge(
    "winback_unread_records",
    "Records behind the end of the partition, as the clock sees it from outside.",
    ["consumer", "topic", "partition"],
    spike="A climb that winback_lag_records does not show: the consumer is gone or hangs.",
    do="Is the process there, and ready? Does it have the partition (its log: "
    "`partitions assigned`)?",
)
STUCK_SECONDS = _gauge(
    "winback_stuck_seconds",
    "Seconds that a consumer's saved position stands still while records wait.",
    ["consumer", "topic", "partition"],
    spike="A climb: the consumer is gone, hangs, or fails on the same record again and again.",
    do="Read its log. It repeats one offset: look at that record. It says nothing: restart it.",
)
PARTITION_FAILING = _gauge(
    "winback_partition_failing",
    "1 while a partition is held because its records cannot be taken; all others go on.",
    ["consumer", "topic", "partition"],
    spike="1: what it needs fails again and again, its dead-letter topic for instance.",
    do="Read /readyz: it names the partition, the position and the reason.",
)
LOG_DIFFERS = _gauge(
    "winback_log_differs",
    "1 while Kafka has another log than positions are of, or one that ends before them.",
    ["consumer"],
    spike="1: Kafka came back older, or empty. Nothing is taken, so that nothing is lost.",
    do="Read /readyz or `winback doctor`; docs/operations.md#logdiffers.",
)
RAW_TOPIC_MISSING = _gauge(
    "winback_raw_topic_missing",
    "1 while a raw topic that WINBACK_ERP_TOKENS names is not there, or may not be read.",
    ["topic"],
    spike="1: orders that a connector means to send there have nowhere to go.",
    do="`winback topics` creates it; mend its name in WINBACK_ERP_TOKENS; ingest takes it up "
    "without a restart.",
)

# -- ingest ----------------------------------------------------------------------------------------

INGEST_REQUESTS = _counter(
    "winback_ingest_requests_total",
    "Requests to ingest by outcome: accepted, refused (the sender's fault), failed (429, 5xx).",
    ["kind", "outcome"],
    spike="failed: Kafka or PostgreSQL is away, or more comes than can be taken. "
    "Senders try again; nothing is lost.",
    do="/readyz of ingest names what is away. 429 alone: run another ingest.",
)
INGEST_SECONDS = _histogram(
    "winback_ingest_request_seconds",
    "Time from a request to its answer.",
    ["kind"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    spike="A climb: Kafka confirms slowly, or bodies are large.",
    do="Look at the broker's disk and at the replicas (winback_kafka_partitions).",
)
ORDERS_ACCEPTED = _counter(
    "winback_orders_accepted_total",
    "Orders that Kafka has.",
    ["source"],
    spike="A stop: the feed is silent.",
    do="Ask whoever runs the ERP's connector.",
)
ORDERS_REFUSED = _counter(
    "winback_orders_refused_total",
    "Orders refused, by the first field that was wrong.",
    ["source", "field"],
    spike="A spike: an ERP changed its format.",
    do="The label names the field; the sender's answers hold the reasons. "
    "The ERP must send again what was refused.",
)
LAST_ORDER_AT = _gauge(
    "winback_last_order_timestamp_seconds",
    "When an organization's newest order was accepted.",
    ["organization"],
    spike="Old: its feed is stale.",
    do="Ask whoever runs the ERP's connector; until it sends, everyone slowly looks dormant.",
)
FEED_STALE_AFTER_SECONDS = _gauge(
    "winback_feed_stale_after_seconds",
    "WINBACK_STALE_FEED_HOURS in seconds: a newest order older than this is stale.",
    spike="It is a setting.",
    do="Raise it where weekends without orders are usual.",
)

# -- detector --------------------------------------------------------------------------------------

SIGNAL_EVENTS = _counter(
    "winback_signal_events_total",
    "Signal events by type of signal and of event.",
    ["signal_type", "event"],
    spike="A spike of opened: thresholds were changed, or a dead feed.",
    do="Settings' history in the console; winback_last_order_timestamp_seconds.",
)
RUN_SECONDS = _histogram(
    "winback_run_seconds",
    "Duration of a run in the detector.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    spike="A climb: more accounts are due than before.",
    do="After a change of settings once: all accounts are looked at. Else the organization grew.",
)
CHECKPOINT_SECONDS = _histogram(
    "winback_checkpoint_seconds",
    "Duration of a checkpoint.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    spike="A climb: the broker or the disk is slow.",
    do="Look at both; recoveries are seen later, nothing is lost.",
)
CACHED_ACCOUNTS = _gauge(
    "winback_detector_cached_accounts",
    "Accounts decoded in memory.",
    spike="At the bound (WINBACK_DETECTOR_CACHE_ACCOUNTS): expect reads from disk.",
    do="Raise the bound where there is memory.",
)

# -- signals and clock -----------------------------------------------------------------------------

PERSISTED_SECONDS = _histogram(
    "winback_persisted_seconds",
    "Time from a record's acceptance (a signal: "
    "from the order or run that caused it) until PostgreSQL has it, once a record.",
    ["topic"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
    spike="A climb: what people see is old.",
    do="winback_lag_seconds says which consumer; a large import does it too.",
)
CLOCK_LEADS = _gauge(
    "winback_clock_leads",
    "1 in the clock that leads, 0 in those that stand by.",
    spike="0 everywhere: nothing is scheduled. Two can never be 1: the lock is PostgreSQL's.",
    do="Start a clock; its /readyz says what it lacks.",
)
WATCHED_AT = _gauge(
    "winback_watched_timestamp_seconds",
    "When the leading clock last looked at Kafka, PostgreSQL and the disks from outside.",
    spike="Old: winback_unread_records, winback_stuck_seconds, "
    "winback_kafka_… and winback_disk_… say nothing new.",
    do="Read the clock's log: what it cannot reach is named.",
)
RUNS_PENDING = _gauge(
    "winback_runs_pending",
    "Runs asked for and not complete.",
    spike="A number that stays: the detector or an import holds them.",
    do="`winback wait --organization ORG` says what it waits for.",
)
RUN_OLDEST_SECONDS = _gauge(
    "winback_run_oldest_pending_seconds",
    "Age of the oldest run that is not complete, 0 without one.",
    spike="Minutes: the detector is behind or an import holds the run. Digests wait for it.",
    do="`winback wait --organization ORG`; is the detector ready?",
)
IMPORTS_RUNNING = _gauge(
    "winback_imports_running",
    "Imports that hold a lease.",
    spike="While any runs, lag and freshness are those of history.",
    do="Nothing; a killed one lets go after 60 s.",
)
SLOTS_FIRED = _counter(
    "winback_slots_fired_total",
    "Schedule slots fired.",
    ["kind"],
    spike="A stop: no clock leads.",
    do="See winback_clock_leads.",
)
SLOTS_DROPPED = _counter(
    "winback_slots_dropped_total",
    "Slots given up: no complete run in 24 hours, or a catch-up too close to the next one.",
    ["kind"],
    spike="Any: a digest was missed.",
    do="The clock's log says which and why; `winback digest send` makes up for it.",
)
DIGESTS_LATE = _counter(
    "winback_digests_late_total",
    "Digest slots without a complete run after two hours; a heartbeat went out instead.",
    spike="Any: a run hangs.",
    do="See winback_run_oldest_pending_seconds. The digest follows within 24 hours.",
)
AUDIT_DIFFERENCES = _gauge(
    "winback_audit_differences",
    "Differences between the detector and the second opinion, after the newest nightly run.",
    ["organization"],
    spike="Any: one of the two is wrong about an account.",
    do="`winback audit --organization ORG` and keep what it prints; "
    "then rebuild the state (docs/operations.md).",
)
CLOCK_SKEW_SECONDS = _gauge(
    "winback_clock_skew_seconds",
    "The clock process's time minus PostgreSQL's.",
    spike="Seconds: leases and schedules are decided by clocks that disagree.",
    do="Mend NTP on the machine that is wrong.",
)

# -- Kafka and disks, as the leading clock sees them -----------------------------------------------

KAFKA_BROKERS = _gauge(
    "winback_kafka_brokers",
    "Brokers in the cluster.",
    spike="Fewer than there should be: one is down.",
    do="Start it; see winback_kafka_partitions.",
)
KAFKA_PARTITIONS = _gauge(
    "winback_kafka_partitions",
    "Partitions of our topics that are under_replicated, "
    "below_min_isr (take no writes) or offline (no leader).",
    ["state"],
    spike="under_replicated: a broker is down or slow. "
    "The others: orders are refused with 503 until it is back.",
    do="Start the broker that is missing; look at its disk first.",
)
KAFKA_WRITTEN_AT = _gauge(
    "winback_kafka_written_timestamp_seconds",
    "When Kafka last confirmed a record that the leading clock writes every few seconds.",
    spike="Old: Kafka takes no writes; orders are refused with 503.",
    do="The clock's log says why (`Kafka takes no writes`): a broker that is down, its disk, "
    "a right that is missing.",
)
DEAD_LETTER_OFFSET = _gauge(
    "winback_dead_letter_offset",
    "End of a dead-letter topic: grows by one with each record put aside, whoever did it.",
    ["topic"],
    spike="A step: see winback_dead_letters_total.",
    do="`winback dead-letters list`.",
)
DISK_FREE_BYTES = _gauge(
    "winback_disk_free_bytes",
    "Free space of a disk that the system needs: "
    "detector (its state), and those of WINBACK_WATCHED_DISKS.",
    ["disk"],
    spike="A fall: it will be full. Kafka then refuses orders (503), PostgreSQL stops; "
    "nothing that was accepted is lost.",
    do="Grow it. `orders` and the detector's state grow with every order; "
    "the other topics have a retention.",
)
DISK_SIZE_BYTES = _gauge(
    "winback_disk_size_bytes",
    "Size of the same disk.",
    ["disk"],
    spike="It is there to divide by.",
    do="Nothing.",
)

# -- backups, as the leading clock sees them -------------------------------------------------------

WAL_UNARCHIVED_SECONDS = _gauge(
    "winback_wal_unarchived_seconds",
    "How long changes in PostgreSQL wait for its WAL archive; 0 where nothing waits, or where "
    "archive_mode is off.",
    spike="A climb: archive_command fails. What people did since is in no backup, "
    "and the disk fills with what is not archived.",
    do="PostgreSQL's log has the command's error; `SELECT * FROM pg_stat_archiver`.",
)
BACKUP_AT = _gauge(
    "winback_backup_timestamp_seconds",
    "When the newest backup of a store was finished; before the first one, when the "
    "installation was made.",
    ["store"],
    spike="Old: what came since would be lost with the disk.",
    do="Run ops/backup-postgres.sh or ops/backup-kafka.sh, and look why its schedule did not.",
)
HISTORY_AT = _gauge(
    "winback_history_timestamp_seconds",
    "When old records were last handled on purpose: an import, a replay, a restore.",
    spike="Now: freshness is history's, and its alerts wait.",
    do="Nothing.",
)

# -- mail and drafts -------------------------------------------------------------------------------

DIGEST_LAST_SUCCESS = _gauge(
    "winback_digest_last_success_timestamp_seconds",
    "When the newest digest of an organization was handed to the mail server.",
    ["organization"],
    spike="Older than its schedule: see the slots and the outbox.",
    do="`winback digest preview --organization ORG` shows what would go out.",
)
OUTBOX_MAILS = _gauge(
    "winback_outbox_mails",
    "Mails in the outbox by state.",
    ["outbox", "state"],
    spike="queued or retry that stay: the mail server refuses. "
    "unknown that stay: a person must look.",
    do="The digest's log holds the server's answers.",
)
OUTBOX_OLDEST_SECONDS = _gauge(
    "winback_outbox_oldest_seconds",
    "Age of the oldest mail that is not sent.",
    ["outbox"],
    spike="A climb: mail does not leave.",
    do="`winback doctor` tries the mail server; its answers are in the digest's log. "
    "Mails are tried for 24 hours.",
)
MAILS = _counter(
    "winback_mails_total",
    "Attempts to hand over a mail, by what came of it: sent, retry, bounced, unknown.",
    ["outbox", "state"],
    spike="bounced: addresses are wrong or we are on a block list. "
    "retry: greylisting, or a limit of the server.",
    do="The digest's log holds the answers; `winback doctor` looks at SPF, DKIM and DMARC.",
)
MAIL_DELAY_SECONDS = _histogram(
    "winback_mail_delay_seconds",
    "Time from a digest's slot until one of its mails was handed over.",
    ["outbox"],
    buckets=(10, 30, 60, 300, 900, 3600, 7200, 21600, 86400),
    spike="A climb: runs or the mail server are slow.",
    do="winback_run_oldest_pending_seconds, then winback_outbox_oldest_seconds.",
)
MAILS_AMBIGUOUS = _counter(
    "winback_mails_ambiguous_total",
    "Mails whose answer was lost; each goes out once more with the same Message-ID.",
    ["outbox"],
    spike="Any that go on: the connection to the mail server breaks after the final dot, "
    "or senders are killed.",
    do="A recipient may have it twice. "
    "Look at timeouts of whatever is between us and the mail server.",
)
SIGN_IN_MAILS = _counter(
    "winback_sign_in_mails_total",
    "Sign-in links by what came of their mail: sent, refused (the address), failed (the server).",
    ["outcome"],
    spike="failed: nobody can sign in by mail.",
    do="`winback doctor` tries the mail server; the console's log has its answer.",
)
DRAFTS = _counter(
    "winback_drafts_total",
    "Draft sequences made, by type of signal.",
    ["signal_type"],
    spike="None with a digest: the sequences process is behind.",
    do="winback_stuck_seconds of consumer sequences.",
)
ENROLLMENTS_SKIPPED = _counter(
    "winback_enrollments_skipped_total",
    "Accounts skipped in drafts, by reason.",
    ["reason"],
    spike="no-email: contacts are not fed.",
    do="Send contacts (`POST /v1/contacts`, `winback import contacts`).",
)
ENROLLMENTS_STOPPED = _counter(
    "winback_enrollments_stopped_total",
    "People in sequences who were stopped, by reason.",
    ["reason"],
    spike="bounced, refused: addresses or texts. unsure: answers of the mail server get lost.",
    do="The sequence's people say which and why.",
)
OUTREACH_STOP_SECONDS = _histogram(
    "winback_outreach_stop_seconds",
    "From an accepted order that answers a letter until the rest of the letters is stopped.",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30, 60),
    spike="Above a second: letters may still leave to who has ordered.",
    do="winback_lag_seconds of the detector and of sequences; is PostgreSQL slow?",
)
OUTREACH_AFTER_STOP = _counter(
    "winback_outreach_after_stop_total",
    "Letters whose final dot was written after they were stopped.",
    spike="Any: a sender froze for more than two seconds in the middle of the dot.",
    do="Look at the machine that sends: pauses of seconds. Tell the rep of the account.",
)
RECEIVED_MAILS = _counter(
    "winback_received_mails_total",
    "Mails that came to the addresses of letters, by what they are, and how it was known whose.",
    ["kind", "matched"],
    spike="ours: servers do not want us. undeliverable: the contacts are old. complaint: any.",
    do="The replies of each sequence in the console; `winback doctor` looks at SPF, DKIM, DMARC.",
)
DOOR_REFUSED = _counter(
    "winback_door_refused_total",
    "What the door did not take, by why: nobody has the address, busy, PostgreSQL is away, error.",
    ["why"],
    spike="away: answers wait at the senders' servers, which try again. nobody: somebody guesses.",
    do="`/readyz` of mail; for nobody nothing, the door takes no mail that is not ours.",
)
ROUND_TRIP_TIMESTAMP = _gauge(
    "winback_round_trip_timestamp_seconds",
    "When the last test mail came back, where it is longest ago; 0: nobody's answers come here.",
    spike="Older than 26 hours: answers may not be heard, and sending is paused.",
    do="The relay's log; does the MX, or the rule of the mail server, lead to the door?",
)
SENDING_PAUSED = _gauge(
    "winback_sending_paused",
    "Organizations and senders whose letters a guard stopped, by why.",
    ["why"],
    spike="Any: servers refuse us, or addresses are wrong.",
    do="The sequence pages say whose; docs/operations.md says how it goes on.",
)
