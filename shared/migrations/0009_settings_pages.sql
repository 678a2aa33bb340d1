-- What the console's settings pages write, as the app role, inside one organization.

-- Who saves settings holds the organization's row, so that versions and runs count up one by one; to lock a row of a table
-- one must be allowed to change something in it.
GRANT UPDATE (name) ON organizations TO winback_app;

-- Tokens are found by their hash before it is known whose they are: reading stays open. Writing is for one's own alone.
ALTER TABLE tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY found_by_hash ON tokens FOR SELECT TO winback_app USING (true);
CREATE POLICY own_organization ON tokens TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON tokens TO winback_worker USING (true) WITH CHECK (true);
GRANT INSERT, UPDATE ON tokens TO winback_app;

-- "Send me a test": the clock makes a tick of each, for this address alone.
CREATE TABLE digest_requests (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    request       text NOT NULL,
    email         text NOT NULL,
    asked_at      timestamptz NOT NULL,
    ticked_at     timestamptz,
    PRIMARY KEY (organization, request)
);

CREATE INDEX digest_requests_open ON digest_requests (asked_at) WHERE ticked_at IS NULL;

ALTER TABLE digest_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE digest_requests FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON digest_requests TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON digest_requests TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON digest_requests TO winback_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON digest_requests TO winback_worker;

-- The audit log is read from its newest end.
CREATE INDEX audit_log_newest ON audit_log (organization, at DESC, id DESC);

-- Published by the digest service: what went out, and what became of each mail.
CREATE VIEW console_digests WITH (security_invoker = true) AS
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

CREATE VIEW console_digest_mails WITH (security_invoker = true) AS
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

-- Published by ingest: when a token was last used.
CREATE VIEW console_token_uses WITH (security_invoker = true) AS
SELECT
    organization,
    name,
    last_used_at
FROM token_uses;

GRANT SELECT ON console_digests, console_digest_mails, console_token_uses TO winback_app, winback_worker;
