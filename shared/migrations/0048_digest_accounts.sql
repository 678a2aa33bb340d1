-- The signals that a digest counts, shown in it or cut: its button opens exactly their accounts.
CREATE OR REPLACE VIEW published_digests WITH (security_invoker = true) AS
SELECT
    organization,
    digest,
    slot_at,
    run,
    heartbeat,
    recoverable_revenue_cents,
    subject,
    html,
    body,
    created_at,
    private,
    coalesce(shown -> 'memory' -> 'signals', '{}') AS signals
FROM digests;
