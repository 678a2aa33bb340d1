-- People who call: whose accounts are whose, what they noted, and when they will call again.

-- An owner's code, as the ERP has it, is a person: a name for eyes, and the member who sees these accounts as theirs.
CREATE TABLE owner_people (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    owner         text NOT NULL,
    name          text,
    email         text,
    mapped_at     timestamptz NOT NULL,
    mapped_by     text NOT NULL,
    PRIMARY KEY (organization, owner)
);

CREATE INDEX owner_people_email ON owner_people (organization, email) WHERE email IS NOT NULL;

-- One line to an outcome, and the day of the next call.
ALTER TABLE outcomes
    ADD COLUMN note text,
    ADD COLUMN follow_up_on date;

-- A call that somebody promised: the outcome that it comes from, whose it is. done_at: done, or taken back with its outcome.
CREATE TABLE follow_ups (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    follow_up     text NOT NULL,
    account       text NOT NULL,
    due_on        date NOT NULL,
    note          text,
    email         text NOT NULL,
    outcome       text,
    created_at    timestamptz NOT NULL,
    done_at       timestamptz,
    done_by       text,
    PRIMARY KEY (organization, follow_up)
);

CREATE INDEX follow_ups_due ON follow_ups (organization, due_on) WHERE done_at IS NULL;
CREATE INDEX follow_ups_account ON follow_ups (organization, account) WHERE done_at IS NULL;

-- What people wrote down about an account.
CREATE TABLE account_notes (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    note          text NOT NULL,
    account       text NOT NULL,
    body          text NOT NULL,
    at            timestamptz NOT NULL,
    actor         text NOT NULL,
    PRIMARY KEY (organization, note)
);

CREATE INDEX account_notes_account ON account_notes (organization, account, at DESC);

-- A recipient may ask for the accounts of their own alone.
ALTER TABLE digest_recipients ADD COLUMN own_only boolean NOT NULL DEFAULT false;

ALTER TABLE owner_people ENABLE ROW LEVEL SECURITY;
ALTER TABLE owner_people FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON owner_people TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON owner_people TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON owner_people TO winback_app, winback_worker;

ALTER TABLE follow_ups ENABLE ROW LEVEL SECURITY;
ALTER TABLE follow_ups FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON follow_ups TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON follow_ups TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON follow_ups TO winback_app, winback_worker;

ALTER TABLE account_notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_notes FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON account_notes TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON account_notes TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON account_notes TO winback_app, winback_worker;

CREATE OR REPLACE VIEW digest_recipients_view WITH (security_invoker = true) AS
SELECT
    r.organization,
    r.email,
    m.role,
    r.added_at,
    r.added_by,
    r.own_only
FROM digest_recipients r
JOIN members m USING (organization, email);

CREATE VIEW published_owners WITH (security_invoker = true) AS
SELECT
    organization,
    owner,
    name,
    email
FROM owner_people;

GRANT SELECT ON published_owners TO winback_app, winback_worker;
