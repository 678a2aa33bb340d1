-- When each store was backed up, and when it was brought back from a backup: whoever makes backups writes it, as the
-- owner (docs/operations.md). The leading clock measures their age.
CREATE TABLE backups (
    store        text NOT NULL CHECK (store IN ('postgres', 'kafka')),
    what         text NOT NULL CHECK (what IN ('backup', 'restore')),
    finished_at  timestamptz NOT NULL DEFAULT now(),
    place        text NOT NULL DEFAULT '',
    PRIMARY KEY (store, what, finished_at)
);

GRANT SELECT ON backups TO winback_app, winback_worker;

-- Since when there is something to back up.
GRANT SELECT ON migrations TO winback_app, winback_worker;
