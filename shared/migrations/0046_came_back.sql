-- What orders brought back, with or without anybody having done something about it.

-- Of an episode that an order ended: the order, and the figures of the last run that saw the signal then. A signal that
-- opens again forgets both; NULL: ended before these columns were there.
ALTER TABLE episodes
    ADD COLUMN recovered_by text,
    ADD COLUMN figures jsonb;

CREATE INDEX episodes_came_back ON episodes (organization, closed_at DESC) WHERE resolution = 'reordered';

-- When an order last ended a signal of the account.
ALTER TABLE accounts ADD COLUMN came_back_at timestamptz;

-- What was to be called about, and what a year of it was worth, as a run left it; NULL: of runs before these columns.
ALTER TABLE runs
    ADD COLUMN call_accounts int,
    ADD COLUMN recoverable_cents bigint;

SET LOCAL ROLE winback_worker;

UPDATE episodes e
SET recovered_by = s.recovered_by,
    figures = s.figures
FROM signals s
WHERE e.organization = s.organization
  AND e.signal = s.signal
  AND e.episode = s.episode
  AND e.resolution = 'reordered';

UPDATE accounts a
SET came_back_at = b.at
FROM (
    SELECT s.organization, s.account, max(e.closed_at) AS at
    FROM episodes e
    JOIN signals s USING (organization, signal)
    WHERE e.resolution = 'reordered'
    GROUP BY s.organization, s.account
) b
WHERE a.organization = b.organization
  AND a.account = b.account;

RESET ROLE;

CREATE INDEX accounts_came_back ON accounts (organization, came_back_at DESC) WHERE came_back_at IS NOT NULL;
CREATE INDEX accounts_flagged_by_owner ON accounts (organization, owner)
    INCLUDE (at_stake_cents, dormant, lapse, cherry_picking, enrollment, paused_until, lost_at)
    WHERE dormant + lapse + cherry_picking > 0;

-- Episodes as other services read them.
CREATE VIEW published_episodes WITH (security_invoker = true) AS
SELECT
    e.organization,
    e.signal,
    s.account,
    s.type,
    s.od,
    s.grade,
    e.episode,
    e.opened_on,
    e.opened_at,
    e.closed_on,
    e.closed_at,
    e.resolution,
    e.recovered_by,
    e.figures
FROM episodes e
JOIN signals s USING (organization, signal);

GRANT SELECT ON published_episodes TO winback_app, winback_worker;
