-- What the signals service publishes for digest and sequences, the feed's pulse, and signing in to the console.
--
-- Views are security_invoker: they show what the policies on their tables let the asking role see. A service reads
-- another's tables only through them.

-- Suppression is what people ask for on the console's unsubscribe page, so the signals service writes it. A bounce is
-- the digest's own knowledge: the state of its mail.
COMMENT ON TABLE suppressions IS 'Written by the signals service (unsubscribe page); digest reads digest_suppressions.';
ALTER TABLE suppressions DROP CONSTRAINT suppressions_reason_check;
ALTER TABLE suppressions ADD CONSTRAINT suppressions_reason_check CHECK (reason IN ('unsubscribed'));

COMMENT ON COLUMN signals.source_offset IS 'Of the record in orders behind the last event; rows ignore events that are not newer.';

-- A fifth of the time of a bulk merge went on checking this for each row. Who writes orders holds the organization's row
-- (store.known), who deletes the organization deletes its orders.
ALTER TABLE orders DROP CONSTRAINT orders_organization_fkey;

-- Name and owner are each as new as the record that named them; -1 is an order's word, which any record outdoes.
ALTER TABLE accounts
    ADD COLUMN name_revision bigint NOT NULL DEFAULT -1,
    ADD COLUMN owner_revision bigint NOT NULL DEFAULT -1;

-- primary_sent: as its record says. is_primary: the newest of the account's contacts that say so.
ALTER TABLE contacts ADD COLUMN primary_sent boolean NOT NULL DEFAULT false;

-- The pulse of an organization's feed: one row, so that no page and no digest counts a million orders for it.
CREATE TABLE feeds (
    organization      text PRIMARY KEY REFERENCES organizations ON DELETE CASCADE,
    last_accepted_at  timestamptz NOT NULL,
    last_ordered_on   date NOT NULL
);

CREATE INDEX orders_accepted ON orders USING brin (accepted_at);

-- The state of a slot is in its columns: fired, its run asked for, a heartbeat told why there is none, ticked, or dropped.
ALTER TABLE slots ADD COLUMN why text;
CREATE INDEX slots_open ON slots (organization, slot_at) WHERE ticked_at IS NULL AND dropped IS NULL;

-- An id is never used again: the log and the detector's state remember the runs of the organization that had it.
CREATE TABLE deleted_organizations (
    organization  text PRIMARY KEY,
    deleted_at    timestamptz NOT NULL DEFAULT now()
);

-- Found by hash, before it is known who asks: no tenant tables.
CREATE TABLE sign_in_links (
    link_hash   bytea PRIMARY KEY,
    email       text NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);

CREATE TABLE sessions (
    session_hash  bytea PRIMARY KEY,
    email         text NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);

ALTER TABLE feeds ENABLE ROW LEVEL SECURITY;
ALTER TABLE feeds FORCE ROW LEVEL SECURITY;
ALTER TABLE deleted_organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE deleted_organizations FORCE ROW LEVEL SECURITY;

CREATE POLICY own_organization ON feeds TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON feeds TO winback_worker USING (true) WITH CHECK (true);
CREATE POLICY own_organization ON deleted_organizations TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON deleted_organizations TO winback_worker USING (true) WITH CHECK (true);

-- Who is signed in may see which organizations are theirs: the address is set per transaction, like the organization.
CREATE POLICY own_memberships ON members FOR SELECT TO winback_app
    USING (email = nullif(current_setting('app.email', true), ''));

GRANT SELECT ON feeds TO winback_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON feeds, deleted_organizations, sign_in_links, sessions TO winback_worker;
GRANT SELECT, UPDATE ON sign_in_links TO winback_app;
GRANT SELECT, INSERT, DELETE ON sessions TO winback_app;

-- Published views ------------------------------------------------------------------------------------------------------

CREATE VIEW digest_organizations WITH (security_invoker = true) AS
SELECT
    organization,
    name,
    currency,
    timezone
FROM organizations;

-- One row a member who gets the digest.
CREATE VIEW digest_recipients_view WITH (security_invoker = true) AS
SELECT
    r.organization,
    r.email,
    m.role
FROM digest_recipients r
JOIN members m USING (organization, email);

-- The digest's schedule: shared/domain/cadence.py says from these when it fires next.
CREATE VIEW digest_schedules WITH (security_invoker = true) AS
SELECT
    s.organization,
    s.frequency,
    s.hour,
    s.anchor_on,
    s.since,
    o.timezone
FROM schedules s
JOIN organizations o USING (organization)
WHERE s.kind = 'digest';

-- Runs, complete (completed_at) or not, with the settings they were held against.
CREATE VIEW digest_runs WITH (security_invoker = true) AS
SELECT
    r.organization,
    r.number,
    r.as_of,
    r.settings_version,
    v.settings,
    r.reason,
    r.requested_at,
    r.published_at,
    r.completed_at,
    r.source_offset,
    r.accounts,
    r.evaluated,
    r.opened,
    r.seen,
    r.recovered,
    r.median_share,
    r.duration_ms,
    r.held_back
FROM runs r
LEFT JOIN settings_versions v ON v.organization = r.organization AND v.version = r.settings_version;

CREATE VIEW digest_feeds WITH (security_invoker = true) AS
SELECT
    organization,
    last_accepted_at,
    last_ordered_on
FROM feeds;

-- Every signal, active (recovered_at is null) or not. run: the last run that saw it.
CREATE VIEW digest_signals WITH (security_invoker = true) AS
SELECT
    organization,
    signal,
    account,
    type,
    od,
    grade,
    detected_at,
    last_seen_at,
    recovered_at,
    resolution,
    episode,
    opened_on,
    as_of,
    settings_version,
    run,
    lifetime_revenue_cents,
    figures
FROM signals;

CREATE VIEW digest_accounts WITH (security_invoker = true) AS
SELECT
    organization,
    account,
    name,
    owner,
    enrollment,
    last_contact_at,
    paused_until,
    lost_at
FROM accounts;

CREATE VIEW digest_contacts WITH (security_invoker = true) AS
SELECT
    organization,
    contact,
    account,
    email,
    name,
    is_primary
FROM contacts;

-- The counting version of each order; the arrays have one element a line.
CREATE VIEW digest_orders WITH (security_invoker = true) AS
SELECT
    organization,
    order_id,
    account,
    ordered_on,
    counts_on,
    cancelled,
    products,
    ods,
    grades,
    quantities,
    revenues_cents,
    accepted_at
FROM orders;

CREATE VIEW digest_suppressions WITH (security_invoker = true) AS
SELECT
    organization,
    email,
    reason,
    at
FROM suppressions;

CREATE VIEW digest_sequences WITH (security_invoker = true) AS
SELECT
    organization,
    sequence,
    digest,
    signal_type,
    name,
    state,
    drafted_at
FROM sequences;

GRANT SELECT ON
    digest_organizations,
    digest_recipients_view,
    digest_schedules,
    digest_runs,
    digest_feeds,
    digest_signals,
    digest_accounts,
    digest_contacts,
    digest_orders,
    digest_suppressions,
    digest_sequences
TO winback_app, winback_worker;
