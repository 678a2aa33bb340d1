-- What Kafka's logs are known by, so that another log is never taken for the one that positions are of: the id that Kafka gave to
-- the topic (the cluster's is in `broker`), and how far each partition was seen to reach. A log that ends earlier lost what was accepted.
CREATE TABLE logs (
    topic        text NOT NULL,
    partition    int NOT NULL,
    topic_id     bigint NOT NULL,
    next_offset  bigint NOT NULL,
    seen_at      timestamptz NOT NULL,
    PRIMARY KEY (topic, partition)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON logs TO winback_worker;
GRANT SELECT ON logs TO winback_app;

-- Of each position: the record that was read last, by its offset and a hash. Where another record lies there, it is another log,
-- even if that has grown beyond the position since.
ALTER TABLE positions
    ADD COLUMN last_offset bigint,
    ADD COLUMN last_record bytea;
