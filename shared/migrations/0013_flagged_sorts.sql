-- Filtered by type, every sort walks the flagged accounts alone: who is dormant may stand at the end of all names.
CREATE INDEX accounts_flagged_by_name ON accounts (organization, sort_name, account)
    WHERE dormant + lapse + cherry_picking > 0;
CREATE INDEX accounts_flagged_by_last_order ON accounts (organization, coalesce(last_ordered_on, '0001-01-01'), account)
    WHERE dormant + lapse + cherry_picking > 0;
CREATE INDEX accounts_flagged_by_lifetime ON accounts (organization, lifetime_cents, account)
    WHERE dormant + lapse + cherry_picking > 0;
