-- What several services read of one is named for what it publishes. The first of these views were named for their first
-- reader: digest_runs, which sequences reads too, and digest_contacts, which digest never read; console_… for a process.
-- A view that one service alone reads keeps that service's name (ingest_orders, digest_schedules).
--
-- The former names stay as they are: while an upgrade rolls, processes of the former version read them. The next release
-- drops them. The views are made anew rather than renamed, since a rename would wait for, and hold up, whoever reads them.

-- Of the signals service -------------------------------------------------------------------------------------------------

CREATE VIEW published_organizations WITH (security_invoker = true) AS
SELECT
    organization,
    name,
    currency,
    timezone
FROM organizations;

-- Runs, complete (completed_at) or not, with the settings they were held against.
CREATE VIEW published_runs WITH (security_invoker = true) AS
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

-- Every signal, active (recovered_at is null) or not. run: the last run that saw it.
CREATE VIEW published_signals WITH (security_invoker = true) AS
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
    figures,
    CASE WHEN outcome_episode = episode THEN paused_until END AS paused_until,
    CASE WHEN outcome_episode = episode THEN lost_at END AS lost_at
FROM signals;

CREATE VIEW published_accounts WITH (security_invoker = true) AS
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

CREATE VIEW published_contacts WITH (security_invoker = true) AS
SELECT
    organization,
    contact,
    account,
    email,
    name,
    is_primary
FROM contacts;

-- The counting version of each order; the arrays have one element a line.
CREATE VIEW published_orders WITH (security_invoker = true) AS
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

-- Whom nothing may be sent to.
CREATE VIEW published_suppressions WITH (security_invoker = true) AS
SELECT
    organization,
    email,
    reason,
    at
FROM suppressions;

CREATE VIEW published_sequences WITH (security_invoker = true) AS
SELECT
    organization,
    sequence,
    digest,
    signal_type,
    name,
    state,
    drafted_at
FROM sequences;

-- Of the sequences service: who is enrolled or skipped, and what fills the text -----------------------------------------

CREATE VIEW published_enrollments WITH (security_invoker = true) AS
SELECT
    organization,
    sequence,
    digest,
    signal_type,
    account,
    contact,
    state,
    reason,
    variables,
    next_step,
    next_at,
    enrolled_at
FROM enrollments;

-- Of the digest service: what went out, and what became of each mail ----------------------------------------------------

CREATE VIEW published_digests WITH (security_invoker = true) AS
SELECT
    organization,
    digest,
    slot_at,
    run,
    heartbeat,
    recoverable_revenue_cents,
    subject,
    html,
    body,
    created_at,
    private
FROM digests;

CREATE VIEW published_digest_mails WITH (security_invoker = true) AS
SELECT
    organization,
    digest,
    email,
    state,
    attempts,
    next_attempt_at,
    sent_at,
    answer
FROM digest_mails;

-- Of ingest: when a token was last used ---------------------------------------------------------------------------------

CREATE VIEW published_token_uses WITH (security_invoker = true) AS
SELECT
    organization,
    name,
    last_used_at
FROM token_uses;

GRANT SELECT ON
    published_organizations,
    published_runs,
    published_signals,
    published_accounts,
    published_contacts,
    published_orders,
    published_suppressions,
    published_sequences,
    published_enrollments,
    published_digests,
    published_digest_mails,
    published_token_uses
TO winback_app, winback_worker;
