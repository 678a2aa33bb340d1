-- A page of the accounts table by any sort under any filter: what a walk along the sort's index tests must stand in the row, and
-- what is gathered by owner or by type must be gathered from an index alone.

-- The words of account_words in one text, each with a blank before it.
ALTER TABLE accounts ADD COLUMN words text COLLATE "C" NOT NULL DEFAULT '';

CREATE FUNCTION note_words_in_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.words := (SELECT coalesce(' ' || string_agg(word, ' '), '') FROM words_of(NEW.name, NEW.account));
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION note_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM account_words WHERE organization = NEW.organization AND account = NEW.account;
    END IF;
    INSERT INTO account_words (organization, account, word)
    SELECT NEW.organization, NEW.account, word
    FROM unnest(string_to_array(ltrim(NEW.words, ' '), ' ')) AS word;
    RETURN NULL;
END
$$;

CREATE TRIGGER accounts_words_in_new BEFORE INSERT ON accounts
    FOR EACH ROW EXECUTE FUNCTION note_words_in_row();
CREATE TRIGGER accounts_words_in_renamed BEFORE UPDATE OF name ON accounts
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION note_words_in_row();

SET LOCAL ROLE winback_worker;
UPDATE accounts a
SET words = coalesce((SELECT ' ' || string_agg(word, ' ') FROM words_of(a.name, a.account)), '');
RESET ROLE;

DROP INDEX accounts_by_owner;
CREATE INDEX accounts_by_owner ON accounts (organization, owner, account)
    INCLUDE (
        sort_name, last_ordered_on, lifetime_cents, at_stake_cents,
        dormant, lapse, cherry_picking, enrollment, paused_until, lost_at
    );

DROP INDEX accounts_flagged;
CREATE INDEX accounts_flagged ON accounts (organization, at_stake_cents, account)
    INCLUDE (sort_name, last_ordered_on, lifetime_cents, dormant, lapse, cherry_picking, owner, enrollment, paused_until, lost_at)
    WHERE dormant + lapse + cherry_picking > 0;

-- Without it the planner takes a third of all accounts for flagged.
CREATE STATISTICS accounts_flagged_share ON (dormant + lapse + cherry_picking) FROM accounts;
