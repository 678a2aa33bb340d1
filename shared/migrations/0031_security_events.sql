-- What happened to access: sign-ins, refusals, exports, verbs of the command line. Of the installation, not of one
-- organization, so that it stays when one is deleted; `about` names it. Rows are added and read, never changed; those that are
-- older than the terms say are deleted by `winback purge`, as the owner.
CREATE TABLE security_events (
    event     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at        timestamptz NOT NULL,
    kind      text NOT NULL,
    person    text NOT NULL,
    operator  text NOT NULL,
    about     text NOT NULL,
    detail    jsonb NOT NULL
);

CREATE INDEX security_events_newest ON security_events (at DESC);

GRANT INSERT ON security_events TO winback_app;
GRANT SELECT, INSERT ON security_events TO winback_worker;
