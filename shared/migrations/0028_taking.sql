-- What is under way in each partition, noted before it is taken: who starts and finds the note open knows that a process ended
-- in these records. A record that did so three times is put aside (shared/quarantine.py).
CREATE TABLE taking (
    consumer       text NOT NULL,
    topic          text NOT NULL,
    partition      int NOT NULL,
    taking         bigint NOT NULL,
    taking_until   bigint NOT NULL,
    suspect        bigint NOT NULL,
    ends           int NOT NULL,
    careful_until  bigint NOT NULL,
    PRIMARY KEY (consumer, topic, partition)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON taking TO winback_worker;
