-- What the operator has replayed out of the dead letters: a dead letter goes back once, however often it is asked for.
-- No tenant table: a dead letter may be so broken that nobody can say whose it is.

CREATE TABLE dead_letter_replays (
    topic         text NOT NULL,
    partition     int NOT NULL,
    dead_offset   bigint NOT NULL,
    replayed_at   timestamptz NOT NULL,
    times         int NOT NULL DEFAULT 1,
    PRIMARY KEY (topic, partition, dead_offset)
);

GRANT SELECT, INSERT, UPDATE ON dead_letter_replays TO winback_worker;

-- Enrollments know their draft's digest and type, so that stopping them asks no other service.
-- seen_at: of the run whose signals they follow; only what happens after it can stop them.
ALTER TABLE enrollments
    ADD COLUMN digest text NOT NULL,
    ADD COLUMN signal_type text NOT NULL CHECK (signal_type IN ('dormant', 'lapse', 'cherry_picking')),
    ADD COLUMN seen_at timestamptz NOT NULL,
    ADD CHECK ((state IN ('skipped', 'stopped')) = (reason IS NOT NULL));

CREATE INDEX enrollments_digest ON enrollments (organization, digest);
CREATE INDEX enrollments_unfinished ON enrollments (organization, account) WHERE state IN ('enrolled', 'active');

-- The address that a mail went to: a bounce holds for the address, not for whoever had it.
ALTER TABLE sequence_mails ADD COLUMN email text NOT NULL;
CREATE INDEX sequence_mails_bounced ON sequence_mails (organization, lower(email)) WHERE state = 'bounced';
CREATE INDEX sequence_mails_due ON sequence_mails (next_attempt_at) WHERE state IN ('queued', 'retry', 'sending', 'unknown');

-- Published view  --------------------------------------------------------------------------------------------------------

-- Of the sequences service, for the console: who is enrolled or skipped, and what fills the text.
CREATE VIEW console_enrollments WITH (security_invoker = true) AS
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

GRANT SELECT ON console_enrollments TO winback_app, winback_worker;
