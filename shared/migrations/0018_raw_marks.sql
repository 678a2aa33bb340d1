-- Of each partition of a raw topic: from where on in `orders` (an offset for each of its partitions) there may be blocks that the
-- partition's position does not know of. owner: the process that may have some under way; none while nothing is.
CREATE TABLE raw_marks (
    topic      text NOT NULL,
    partition  int NOT NULL,
    owner      text,
    ends       bigint[] NOT NULL,
    PRIMARY KEY (topic, partition)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON raw_marks TO winback_worker;
