-- What came of accounts and signals: what people did, as they did it, and what orders answered. Rows are only ever added.

-- signal, episode: where it is about one signal alone. signals, episodes: what a won_back says was won; it is confirmed once
-- one of these episodes has ended by an order. about: of undone and answered, the row that they are about. snapshot: before it.
CREATE TABLE outcomes (
    organization         text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    outcome              text NOT NULL,
    account              text NOT NULL,
    signal               text,
    episode              int,
    kind                 text NOT NULL CHECK (kind IN ('reached_out', 'won_back', 'lost', 'undone', 'answered')),
    at                   timestamptz NOT NULL,
    actor                text NOT NULL,
    paused_until         timestamptz,
    reason               text CHECK (reason IN ('price', 'competitor', 'went_quiet', 'other')),
    monthly_value_cents  bigint,
    signals              text[] NOT NULL DEFAULT '{}',
    episodes             int[] NOT NULL DEFAULT '{}',
    about                text,
    snapshot             jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (organization, outcome)
);

CREATE INDEX outcomes_account ON outcomes (organization, account, at);
CREATE INDEX outcomes_at ON outcomes (organization, at);

-- The action that an account's pause or loss comes from; shared/domain/outcomes.py says how the columns follow from the rows.
ALTER TABLE accounts ADD COLUMN outcome text;
CREATE INDEX accounts_outcome ON accounts (organization, account) WHERE outcome IS NOT NULL;

-- The same of one signal, in the episode that it was said of: a signal that fires again starts anew.
ALTER TABLE signals
    ADD COLUMN outcome_episode int,
    ADD COLUMN paused_until timestamptz,
    ADD COLUMN lost_at timestamptz;

CREATE INDEX signals_recovered ON signals (organization, recovered_at DESC) WHERE recovered_at IS NOT NULL;

-- Text of a draft that two people edit at once: each says which edition they had read.
ALTER TABLE sequences
    ADD COLUMN edition int NOT NULL DEFAULT 1,
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN edited_by text;

ALTER TABLE outcomes ENABLE ROW LEVEL SECURITY;
ALTER TABLE outcomes FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON outcomes TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON outcomes TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON outcomes TO winback_app;
GRANT SELECT, INSERT ON outcomes TO winback_worker;

CREATE OR REPLACE VIEW digest_signals WITH (security_invoker = true) AS
SELECT
    organization,
    signal,
    account,
    type,
    od,
    grade,
    detected_at,
    last_seen_at,
    recovered_at,
    resolution,
    episode,
    opened_on,
    as_of,
    settings_version,
    run,
    lifetime_revenue_cents,
    figures,
    CASE WHEN outcome_episode = episode THEN paused_until END AS paused_until,
    CASE WHEN outcome_episode = episode THEN lost_at END AS lost_at
FROM signals;
