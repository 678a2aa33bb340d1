-- A sign-in link is of the browser that asked for it; elsewhere it wants the code which that browser shows.
ALTER TABLE sign_in_links
    ADD COLUMN browser_hash bytea,
    ADD COLUMN code_hash bytea,
    ADD COLUMN wrong_codes integer NOT NULL DEFAULT 0;

-- Who was asked to be a member, and has not said yes. The secret is in their mail alone.
CREATE TABLE invitations (
    organization     text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    email            text NOT NULL,
    role             text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    with_digest      boolean NOT NULL,
    invited_by       text NOT NULL,
    invited_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    invitation_hash  bytea NOT NULL,
    PRIMARY KEY (organization, email)
);

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON invitations TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON invitations TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO winback_app, winback_worker;

-- Mails that people cause, counted by who causes them, where they go and for which organization, in a span that begins at
-- `since`. Names are keyed hashes. Counting and refusing are one statement, so that two at once are two.
CREATE TABLE mails_counted (
    kind   text NOT NULL,
    scope  text NOT NULL CHECK (scope IN ('person', 'address', 'organization')),
    name   text NOT NULL,
    since  timestamptz NOT NULL,
    mails  integer NOT NULL,
    PRIMARY KEY (kind, scope, name, since)
);

GRANT SELECT, INSERT, UPDATE ON mails_counted TO winback_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON mails_counted TO winback_worker;
