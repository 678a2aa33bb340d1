-- Orders of raw topics that several records make (one a line), or that a delete cancels: what was said of each so far, as ingest
-- keeps it (JSON; bytes, since texts from outside may hold what no text of PostgreSQL does).
CREATE TABLE raw_orders (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    topic         text NOT NULL,
    order_id      text NOT NULL,
    revision      bigint NOT NULL,
    said          bytea NOT NULL,
    PRIMARY KEY (organization, topic, order_id)
);

ALTER TABLE raw_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE raw_orders FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON raw_orders TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON raw_orders TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON raw_orders TO winback_worker;
