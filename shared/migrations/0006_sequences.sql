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
