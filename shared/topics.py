"""THE list of topics: name, key, events, partitions, retention, who writes, who reads.

One topic per ordering that matters. In `orders` and `signals` the organization chooses the
partition (`kafka.partition_of`), so everything about an organization has one order. A dead-letter
topic `<name>-dead` stands beside each topic whose consumer can meet what it cannot read.
"""

from dataclasses import dataclass

FOREVER_MS = -1
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
MEGABYTE = 1_000_000
LARGEST_RECORD_BYTES = 4 * MEGABYTE  # of a topic, as the broker counts: after compression
LARGEST_DEAD_LETTER_BYTES = (
    32 * MEGABYTE
)  # far more than what came compressed: it is put aside whole where that can be


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One topic as it is created. `partitions` None means the setting WINBACK_PARTITIONS."""

    name: str
    key: str
    events: tuple[str, ...]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    partitions: int | None = None
    retention_ms: int = FOREVER_MS
    compacted: bool = False
    dead_letters: bool = False
    description: str


ORDERS = Topic(
    name="orders",
    key="organization of a run; none for a block",
    events=("OrdersAccepted", "RunRequested", "StateRestored"),
    writers=("ingest", "signals"),
    readers=("detector", "signals"),
    dead_letters=True,
    description="Every accepted order, in blocks, and every run: "
    "the truth that all state is rebuilt from. Kept for ever.",
)
SIGNALS = Topic(
    name="signals",
    key="organization",
    events=("SignalOpened", "SignalSeen", "SignalRecovered", "RunCompleted"),
    writers=("detector",),
    readers=("signals", "sequences"),
    retention_ms=30 * DAY_MS,
    dead_letters=True,
    description="What the detector found out, in the partition of the organization.",
)
ACCOUNTS = Topic(
    name="accounts",
    key="organization, account",
    events=("AccountChanged",),
    writers=("ingest",),
    readers=("signals",),
    compacted=True,
    dead_letters=True,
    description="Names and owners of accounts; the newest of each account stays.",
)
CONTACTS = Topic(
    name="contacts",
    key="organization, contact",
    events=("ContactChanged",),
    writers=("ingest",),
    readers=("signals",),
    compacted=True,
    dead_letters=True,
    description="People at accounts; the newest of each contact stays; erased by a tombstone.",
)
ERP_ORDERS = Topic(
    name="erp-orders",
    key="any",
    events=("raw order, as POST /v1/orders takes it",),
    writers=("ERP connectors",),
    readers=("ingest",),
    retention_ms=30 * DAY_MS,
    dead_letters=True,
    description="Raw orders from connectors; the organization comes from the token.",
)
DIGEST_TICKS = Topic(
    name="digest-ticks",
    key="organization",
    events=("DigestDue",),
    writers=("signals",),
    readers=("digest",),
    partitions=1,
    retention_ms=30 * DAY_MS,
    dead_letters=True,
    description="A digest is due, and its run is complete.",
)
SEQUENCE_TICKS = Topic(
    name="sequence-ticks",
    key="organization",
    events=("SequencesDue",),
    writers=("signals",),
    readers=("sequences",),
    partitions=1,
    retention_ms=30 * DAY_MS,
    dead_letters=True,
    description="Drafts are due for the digest of this slot.",
)
SEQUENCES = Topic(
    name="sequences",
    key="organization",
    events=("SequenceDrafted",),
    writers=("sequences",),
    readers=("signals",),
    partitions=1,
    retention_ms=30 * DAY_MS,
    dead_letters=True,
    description="A draft sequence with its steps, to be persisted and edited.",
)
ACTIONS = Topic(
    name="actions",
    key="organization",
    events=(
        "SequenceLaunched",
        "SequenceTakenBack",
        "SequencePaused",
        "SequenceResumed",
        "SequenceArchived",
        "AccountPinned",
        "OutcomeRecorded",
        "OutcomeUndone",
        "AddressRefused",
        "TaskDone",
        "EnrollmentRemoved",
        "EnrollmentResumed",
        "SendingResumed",
    ),
    writers=("signals",),
    readers=("sequences",),
    retention_ms=30 * DAY_MS,
    dead_letters=True,
    description="What people decide that letters follow, in the organization's partition.",
)
OUTREACH = Topic(
    name="outreach",
    key="organization",
    events=(
        "EnrollmentStarted",
        "MailSent",
        "MailUndelivered",
        "ReplyReceived",
        "EnrollmentHeld",
        "EnrollmentStopped",
        "EnrollmentFinished",
        "SequenceFinished",
        "SendingPaused",
    ),
    writers=("sequences",),
    readers=("signals",),
    retention_ms=30 * DAY_MS,
    dead_letters=True,
    description="What came of letters, in the partition of the organization. No text of a mail.",
)

TOPICS = (
    ORDERS,
    SIGNALS,
    ACCOUNTS,
    CONTACTS,
    ERP_ORDERS,
    DIGEST_TICKS,
    SEQUENCE_TICKS,
    SEQUENCES,
    ACTIONS,
    OUTREACH,
)

DETECTOR_APP = "winback-detector"  # consumer group and Faust app id
WRITE_PROBE = "winback-watch"  # the leading clock writes there, to see that Kafka takes writes
STATE_TABLE = "state"
STATE_CHANGELOG = f"{DETECTOR_APP}-{STATE_TABLE}-changelog"  # the name that Faust gives it


SKIPS = "winback-skips"  # what nobody is to take (shared.skips): compacted, for ever


def dead_letters_of(topic: str) -> str:
    """The topic that takes what `topic`'s consumers cannot read."""
    return f"{topic}-dead"
