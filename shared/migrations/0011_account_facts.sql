-- What the accounts table shows, sorts and filters by, kept on each account by the transactions that change it, so that a page
-- of 50 out of a million is a walk along an index.

-- Of each order: its net, and whether it is activity (has a line of positive revenue).
ALTER TABLE orders
    ADD COLUMN net_cents bigint NOT NULL DEFAULT 0,
    ADD COLUMN is_activity boolean NOT NULL DEFAULT false;

-- From its orders: first and last activity day, net of all that are not cancelled. From its active signals: how many of each
-- type, and what is at stake (its A, or else the sum of the others). sort_name: what stands in the table's first column.
ALTER TABLE accounts
    ADD COLUMN first_ordered_on date,
    ADD COLUMN last_ordered_on date,
    ADD COLUMN lifetime_cents bigint NOT NULL DEFAULT 0,
    ADD COLUMN at_stake_cents bigint NOT NULL DEFAULT 0,
    ADD COLUMN dormant int NOT NULL DEFAULT 0,
    ADD COLUMN lapse int NOT NULL DEFAULT 0,
    ADD COLUMN cherry_picking int NOT NULL DEFAULT 0,
    ADD COLUMN sort_name text COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(coalesce(nullif(name, ''), account))) STORED;

-- Words of names and ids, to search by their beginnings. A table, since row-level security lets no index answer LIKE.
CREATE TABLE account_words (
    organization  text NOT NULL,
    account       text NOT NULL,
    word          text COLLATE "C" NOT NULL,
    PRIMARY KEY (organization, account, word),
    FOREIGN KEY (organization, account) REFERENCES accounts ON DELETE CASCADE
);

CREATE INDEX account_words_word ON account_words (organization, word, account);

ALTER TABLE account_words ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_words FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON account_words TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON account_words TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT ON account_words TO winback_app;
GRANT SELECT, INSERT, DELETE ON account_words TO winback_worker;

CREATE FUNCTION words_of(name text, account text) RETURNS TABLE (word text) LANGUAGE sql IMMUTABLE AS $$
    SELECT DISTINCT left(part, 40)
    FROM regexp_split_to_table(lower(coalesce(name, '') || ' ' || account), '[][[:space:]!-/:-@^_`{|}~]+') AS part
    WHERE part <> ''
    LIMIT 20
$$;

CREATE FUNCTION note_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM account_words WHERE organization = NEW.organization AND account = NEW.account;
    END IF;
    INSERT INTO account_words (organization, account, word)
    SELECT NEW.organization, NEW.account, word
    FROM words_of(NEW.name, NEW.account);
    RETURN NULL;
END
$$;

CREATE TRIGGER accounts_words_of_new AFTER INSERT ON accounts
    FOR EACH ROW EXECUTE FUNCTION note_words();
CREATE TRIGGER accounts_words_of_renamed AFTER UPDATE OF name ON accounts
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION note_words();

-- What is there already. The worker sees all organizations; the owner of the tables does not have to.
SET LOCAL ROLE winback_worker;

UPDATE orders
SET net_cents = coalesce((SELECT sum(cents) FROM unnest(revenues_cents) AS cents), 0),
    is_activity = EXISTS (SELECT FROM unnest(revenues_cents) AS cents WHERE cents > 0);

UPDATE accounts a
SET first_ordered_on = o.first_on,
    last_ordered_on = o.last_on,
    lifetime_cents = o.net_cents
FROM (
    SELECT
        organization,
        account,
        min(counts_on) FILTER (WHERE is_activity) AS first_on,
        max(counts_on) FILTER (WHERE is_activity) AS last_on,
        sum(net_cents) AS net_cents
    FROM orders
    WHERE NOT cancelled
    GROUP BY organization, account
) o
WHERE a.organization = o.organization
  AND a.account = o.account;

UPDATE accounts a
SET dormant = s.dormant,
    lapse = s.lapse,
    cherry_picking = s.cherry_picking,
    at_stake_cents = s.at_stake_cents
FROM (
    SELECT
        organization,
        account,
        count(*) FILTER (WHERE type = 'dormant') AS dormant,
        count(*) FILTER (WHERE type = 'lapse') AS lapse,
        count(*) FILTER (WHERE type = 'cherry_picking') AS cherry_picking,
        coalesce(
            max((figures ->> 'last_year_revenue_cents')::bigint) FILTER (WHERE type = 'dormant'),
            sum(coalesce(figures ->> 'lapsed_revenue_cents', figures ->> 'estimated_upside_cents', '0')::bigint)
        ) AS at_stake_cents
    FROM signals
    WHERE recovered_at IS NULL
    GROUP BY organization, account
) s
WHERE a.organization = s.organization
  AND a.account = s.account;

INSERT INTO account_words (organization, account, word)
SELECT a.organization, a.account, w.word
FROM accounts a
CROSS JOIN LATERAL words_of(a.name, a.account) w;

RESET ROLE;

CREATE INDEX accounts_by_name ON accounts (organization, sort_name, account);
CREATE INDEX accounts_by_last_order ON accounts (organization, coalesce(last_ordered_on, '0001-01-01'), account);
CREATE INDEX accounts_by_lifetime ON accounts (organization, lifetime_cents, account);
CREATE INDEX accounts_by_stake ON accounts (organization, at_stake_cents, account);
CREATE INDEX accounts_by_owner ON accounts (organization, owner, account);
CREATE INDEX accounts_flagged ON accounts (organization, at_stake_cents, account)
    INCLUDE (dormant, lapse, cherry_picking, enrollment, paused_until, lost_at)
    WHERE dormant + lapse + cherry_picking > 0;
CREATE INDEX accounts_pinned ON accounts (organization, enrollment, account) WHERE enrollment <> 'auto';
