-- Which Kafka cluster this database goes with, by the id that the cluster was given when it was made: another installation's
-- broker at the same address is told from our own by it. One row; `winback topics` writes it, as the owner.
CREATE TABLE broker (
    is_ours     boolean PRIMARY KEY DEFAULT true CHECK (is_ours),
    cluster_id  text NOT NULL,
    noted_at    timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT ON broker TO winback_app, winback_worker;
