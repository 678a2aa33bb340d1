-- Tenants, people, what ingest keeps, the read models of the signals service, digests and sequences.
-- Every tenant table starts its key with the organization and is under row-level security (0002_isolation.sql).

CREATE TABLE organizations (
    organization  text PRIMARY KEY CHECK (organization ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name          text NOT NULL,
    currency      text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    timezone      text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE members (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    email         text NOT NULL,
    role          text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    added_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization, email)
);

-- ERP tokens are found by their hash, before it is known which organization is asking: no tenant table.
CREATE TABLE tokens (
    token_hash    bytea PRIMARY KEY,
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    name          text NOT NULL,
    scopes        text[] NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz,
    UNIQUE (organization, name)
);

-- Ingest --------------------------------------------------------------------------------------------------------------

CREATE TABLE token_uses (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    name          text NOT NULL,
    last_used_at  timestamptz NOT NULL,
    PRIMARY KEY (organization, name)
);

-- A request that was given a key: its time of acceptance (the revision of orders that bring none) is kept, so that a
-- retry repeats it. confirmed_at: Kafka has all of it.
CREATE TABLE idempotency_keys (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    key           text NOT NULL,
    request_hash  bytea NOT NULL,
    accepted_at   timestamptz NOT NULL,
    confirmed_at  timestamptz,
    PRIMARY KEY (organization, key)
);

-- A file on its way in. lease_until in the future holds back runs of the organization; a killed import holds nothing.
CREATE TABLE imports (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    import_id     text NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('orders', 'accounts', 'contacts')),
    files         text[] NOT NULL,
    accepted_ms   bigint NOT NULL,
    started_at    timestamptz NOT NULL,
    lease_until   timestamptz,
    confirmed     bigint NOT NULL DEFAULT 0,
    finished_at   timestamptz,
    summary       jsonb,
    PRIMARY KEY (organization, import_id)
);

CREATE INDEX imports_leases ON imports (organization, lease_until) WHERE finished_at IS NULL;

-- Signals service: positions and read models --------------------------------------------------------------------------

-- The next offset of each partition, moved by compare-and-set in the transaction that writes the rows.
CREATE TABLE positions (
    consumer      text NOT NULL,
    topic         text NOT NULL,
    partition     int NOT NULL,
    next_offset   bigint NOT NULL,
    PRIMARY KEY (consumer, topic, partition)
);

CREATE TABLE settings_versions (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    version       int NOT NULL,
    settings      jsonb NOT NULL,
    saved_at      timestamptz NOT NULL DEFAULT now(),
    saved_by      text NOT NULL,
    PRIMARY KEY (organization, version)
);

-- touched_offset: of the last record in `orders` that touched the account (an order that moved touches both).
CREATE TABLE accounts (
    organization     text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    account          text NOT NULL,
    name             text,
    owner            text,
    revision         bigint NOT NULL DEFAULT -1,
    enrollment       text NOT NULL DEFAULT 'auto' CHECK (enrollment IN ('auto', 'yes', 'no')),
    touched_offset   bigint NOT NULL DEFAULT -1,
    last_contact_at  timestamptz,
    paused_until     timestamptz,
    lost_at          timestamptz,
    PRIMARY KEY (organization, account)
);

CREATE TABLE contacts (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    contact       text NOT NULL,
    account       text NOT NULL,
    email         text,
    name          text,
    is_primary    boolean NOT NULL DEFAULT false,
    revision      bigint NOT NULL,
    PRIMARY KEY (organization, contact)
);

CREATE INDEX contacts_account ON contacts (organization, account);

-- The counting version of each order. The arrays have one element a line; texts are as sent.
CREATE TABLE orders (
    organization    text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    order_id        text NOT NULL,
    account         text NOT NULL,
    ordered_on      date NOT NULL,
    counts_on       date NOT NULL,
    revision        bigint NOT NULL,
    content         bytea NOT NULL,
    cancelled       boolean NOT NULL,
    products        text[] NOT NULL,
    ods             text[] NOT NULL,
    grades          text[] NOT NULL,
    quantities      text[] NOT NULL,
    revenues_cents  bigint[] NOT NULL,
    accepted_at     timestamptz NOT NULL,
    source_offset   bigint NOT NULL,
    PRIMARY KEY (organization, order_id)
);

CREATE INDEX orders_account ON orders (organization, account, counts_on);

CREATE TABLE runs (
    organization      text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    number            int NOT NULL,
    as_of             date NOT NULL,
    settings_version  int NOT NULL,
    reason            text NOT NULL CHECK (reason IN ('nightly', 'digest', 'settings', 'manual')),
    requested_at      timestamptz NOT NULL,
    published_at      timestamptz,
    completed_at      timestamptz,
    source_offset     bigint,
    accounts          int,
    evaluated         int,
    opened            int,
    seen              int,
    recovered         int,
    median_share      text,
    duration_ms       int,
    held_back         text,
    PRIMARY KEY (organization, number)
);

CREATE INDEX runs_pending ON runs (organization, number) WHERE completed_at IS NULL;

CREATE TABLE signals (
    organization            text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    signal                  text NOT NULL,
    account                 text NOT NULL,
    type                    text NOT NULL CHECK (type IN ('dormant', 'lapse', 'cherry_picking')),
    od                      text,
    grade                   text,
    detected_at             timestamptz NOT NULL,
    last_seen_at            timestamptz NOT NULL,
    recovered_at            timestamptz,
    resolution              text CHECK (resolution IN ('reordered', 'correction', 'settings', 'superseded', 'aged_out')),
    episode                 int NOT NULL,
    opened_on               date NOT NULL,
    as_of                   date NOT NULL,
    settings_version        int NOT NULL,
    run                     int NOT NULL,
    lifetime_revenue_cents  bigint NOT NULL,
    figures                 jsonb NOT NULL,
    recovered_by            text,
    source_offset           bigint NOT NULL,
    PRIMARY KEY (organization, signal),
    CHECK ((recovered_at IS NULL) = (resolution IS NULL))
);

CREATE INDEX signals_account ON signals (organization, account);
CREATE INDEX signals_active ON signals (organization, type) WHERE recovered_at IS NULL;

CREATE TABLE episodes (
    organization  text NOT NULL,
    signal        text NOT NULL,
    episode       int NOT NULL,
    opened_on     date NOT NULL,
    opened_at     timestamptz NOT NULL,
    closed_on     date,
    closed_at     timestamptz,
    resolution    text,
    PRIMARY KEY (organization, signal, episode),
    FOREIGN KEY (organization, signal) REFERENCES signals ON DELETE CASCADE
);

-- Signals service: the clock -------------------------------------------------------------------------------------------

-- A cadence anchored in the organization's zone. Each firing is a slot with a unique key: two clocks fire once.
CREATE TABLE schedules (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    kind          text NOT NULL CHECK (kind IN ('nightly', 'digest')),
    frequency     text NOT NULL CHECK (frequency IN
                  ('5-minutes', '10-minutes', '30-minutes', 'hourly', 'daily', '3-days', 'weekly', '2-weeks')),
    hour          int NOT NULL CHECK (hour BETWEEN 0 AND 23),
    anchor_on     date NOT NULL,
    since         timestamptz NOT NULL,
    PRIMARY KEY (organization, kind)
);

CREATE TABLE slots (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    kind          text NOT NULL,
    slot_at       timestamptz NOT NULL,
    fired_at      timestamptz NOT NULL,
    run           int,
    heartbeat_at  timestamptz,
    ticked_at     timestamptz,
    dropped       text,
    PRIMARY KEY (organization, kind, slot_at)
);

CREATE TABLE digest_recipients (
    organization  text NOT NULL,
    email         text NOT NULL,
    added_at      timestamptz NOT NULL DEFAULT now(),
    added_by      text NOT NULL,
    PRIMARY KEY (organization, email),
    FOREIGN KEY (organization, email) REFERENCES members ON DELETE CASCADE
);

-- Signals service: sequences as people edit them ---------------------------------------------------------------------------

CREATE TABLE sequences (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    sequence      text NOT NULL,
    digest        text NOT NULL,
    signal_type   text NOT NULL,
    name          text NOT NULL,
    state         text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'launched', 'paused', 'finished', 'archived')),
    drafted_at    timestamptz NOT NULL,
    PRIMARY KEY (organization, sequence)
);

CREATE TABLE sequence_steps (
    organization  text NOT NULL,
    sequence      text NOT NULL,
    position      int NOT NULL,
    wait_days     int NOT NULL CHECK (wait_days >= 0),
    subject       text NOT NULL,
    body          text NOT NULL,
    PRIMARY KEY (organization, sequence, position),
    FOREIGN KEY (organization, sequence) REFERENCES sequences ON DELETE CASCADE
);

CREATE TABLE audit_log (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    id            uuid NOT NULL DEFAULT gen_random_uuid(),
    at            timestamptz NOT NULL DEFAULT now(),
    actor         text NOT NULL,
    action        text NOT NULL,
    subject       text NOT NULL,
    detail        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (organization, id)
);

-- Digest -------------------------------------------------------------------------------------------------------------------

-- shown: what the digest showed, in the JSON of `winback digest preview`; the next one says new, still or back from it.
CREATE TABLE digests (
    organization               text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    digest                     text NOT NULL,
    slot                       text NOT NULL,
    slot_at                    timestamptz NOT NULL,
    run                        int,
    heartbeat                  boolean NOT NULL,
    recoverable_revenue_cents  bigint NOT NULL,
    shown                      jsonb NOT NULL,
    subject                    text NOT NULL,
    html                       text NOT NULL,
    body                       text NOT NULL,
    created_at                 timestamptz NOT NULL,
    PRIMARY KEY (organization, digest),
    UNIQUE (organization, slot)
);

-- The outbox: planned in the transaction that writes the digest, claimed with a lease, one recipient per SMTP transaction.
-- unknown: the server's answer was lost; it is sent once more with the same Message-ID.
CREATE TABLE digest_mails (
    organization     text NOT NULL,
    digest           text NOT NULL,
    email            text NOT NULL,
    message_id       text NOT NULL,
    message          bytea NOT NULL,
    state            text NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'retry', 'bounced', 'unknown', 'suppressed')),
    attempts         int NOT NULL DEFAULT 0,
    next_attempt_at  timestamptz NOT NULL,
    lease_until      timestamptz,
    sent_at          timestamptz,
    answer           text,
    PRIMARY KEY (organization, digest, email),
    FOREIGN KEY (organization, digest) REFERENCES digests ON DELETE CASCADE
);

CREATE INDEX digest_mails_due ON digest_mails (next_attempt_at) WHERE state IN ('queued', 'retry', 'sending', 'unknown');

CREATE TABLE suppressions (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    email         text NOT NULL,
    reason        text NOT NULL CHECK (reason IN ('unsubscribed', 'bounced')),
    at            timestamptz NOT NULL,
    PRIMARY KEY (organization, email)
);

-- Sequences worker -----------------------------------------------------------------------------------------------------------

-- One row an account of the draft's type: enrolled with its primary contact, or skipped with the reason.
-- contact is '' where the account has none. variables: what fills the text, from the account's own history.
CREATE TABLE enrollments (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    sequence      text NOT NULL,
    account       text NOT NULL,
    contact       text NOT NULL,
    state         text NOT NULL CHECK (state IN ('enrolled', 'skipped', 'active', 'stopped', 'finished')),
    reason        text,
    variables     jsonb NOT NULL DEFAULT '{}',
    next_step     int NOT NULL DEFAULT 1,
    next_at       timestamptz,
    enrolled_at   timestamptz NOT NULL,
    PRIMARY KEY (organization, sequence, account, contact)
);

CREATE TABLE sequence_mails (
    organization     text NOT NULL,
    sequence         text NOT NULL,
    account          text NOT NULL,
    contact          text NOT NULL,
    step             int NOT NULL,
    message_id       text NOT NULL,
    message          bytea NOT NULL,
    state            text NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'retry', 'bounced', 'unknown', 'suppressed')),
    attempts         int NOT NULL DEFAULT 0,
    next_attempt_at  timestamptz NOT NULL,
    lease_until      timestamptz,
    sent_at          timestamptz,
    answer           text,
    PRIMARY KEY (organization, sequence, account, contact, step),
    FOREIGN KEY (organization, sequence, account, contact) REFERENCES enrollments ON DELETE CASCADE
);
