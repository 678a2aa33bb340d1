-- What comes back to letters, and whether it can.

-- A mail that came to the address of a letter: what it is, and what it said. id: of the letter and the mail's bytes, so that
-- one that is handed over twice is one. matched: how it was known whose it is. said: the first 500 characters, for 90 days.
CREATE TABLE received_mails (
    organization  text NOT NULL,
    id            uuid NOT NULL,
    sequence      text NOT NULL,
    account       text NOT NULL,
    contact       text NOT NULL,
    step          int NOT NULL,
    email         text NOT NULL,
    kind          text NOT NULL CHECK (
        kind IN ('opt-out', 'complaint', 'notice', 'undeliverable', 'soft', 'ours', 'away', 'reply')
    ),
    matched       text NOT NULL CHECK (matched IN ('token')),
    received_at   timestamptz NOT NULL,
    sender        text NOT NULL,
    subject       text NOT NULL,
    said          text NOT NULL,
    PRIMARY KEY (organization, id),
    FOREIGN KEY (organization, sequence, account, contact) REFERENCES enrollments ON DELETE CASCADE
);
CREATE INDEX received_mails_of ON received_mails (organization, sequence, received_at);
CREATE INDEX received_mails_lately ON received_mails (organization, lower(email), received_at);
CREATE INDEX received_mails_at ON received_mails (received_at);

-- A mail of ours to ourselves through the relay: an answer would take the same way. wrong: what was not as it was sent.
CREATE TABLE round_trips (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    token         text NOT NULL,
    sender        text NOT NULL,
    message_id    text NOT NULL,
    asked_at      timestamptz NOT NULL,
    sent_at       timestamptz,
    returned_at   timestamptz,
    wrong         text,
    PRIMARY KEY (organization, token)
);
CREATE INDEX round_trips_token ON round_trips (token);
CREATE INDEX round_trips_latest ON round_trips (organization, asked_at DESC);

ALTER TABLE refusals
    DROP CONSTRAINT refusals_reason_check,
    ADD CHECK (reason IN ('undeliverable', 'complained', 'opted_out'));

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['received_mails', 'round_trips']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format(
            'CREATE POLICY own_organization ON %I TO winback_app
                 USING (organization = nullif(current_setting(''app.org'', true), ''''))
                 WITH CHECK (organization = nullif(current_setting(''app.org'', true), ''''))',
            tenant_table);
        EXECUTE format('CREATE POLICY all_organizations ON %I TO winback_worker USING (true) WITH CHECK (true)', tenant_table);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO winback_app, winback_worker', tenant_table);
    END LOOP;
END
$$;

CREATE VIEW published_received_mails WITH (security_invoker = true) AS
SELECT
    organization,
    id,
    sequence,
    account,
    contact,
    step,
    kind,
    received_at,
    sender,
    subject,
    said
FROM received_mails;

CREATE VIEW published_round_trips WITH (security_invoker = true) AS
SELECT DISTINCT ON (organization)
    organization,
    sender,
    asked_at,
    sent_at,
    returned_at,
    wrong
FROM round_trips
ORDER BY organization, asked_at DESC;

GRANT SELECT ON published_received_mails, published_round_trips TO winback_app, winback_worker;
