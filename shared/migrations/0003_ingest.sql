-- What ingest may see of others, and the view by which an import tells what is there already.
-- Views are security_invoker: they show what the policies on their tables let the asking role see.

-- Published by the signals service: what an organization holds its input against.
CREATE VIEW ingest_organizations WITH (security_invoker = true) AS
SELECT
    o.organization,
    o.currency,
    o.timezone,
    coalesce(v.settings -> 'sizes', '{}'::jsonb) AS sizes
FROM organizations o
LEFT JOIN LATERAL (
    SELECT settings
    FROM settings_versions s
    WHERE s.organization = o.organization
    ORDER BY s.version DESC
    LIMIT 1
) v ON true;

-- Published by the signals service: the version of each order that counts.
CREATE VIEW ingest_orders WITH (security_invoker = true) AS
SELECT
    organization,
    order_id,
    revision,
    content
FROM orders;

GRANT SELECT ON ingest_organizations TO winback_app, winback_worker;
GRANT SELECT ON ingest_orders TO winback_worker;

CREATE INDEX idempotency_keys_accepted ON idempotency_keys (organization, accepted_at);
