-- How an organization writes numbers, money and days: what its people type is read in that style, and shown in it.
ALTER TABLE organizations ADD COLUMN locale text NOT NULL DEFAULT 'en_US' CHECK (locale ~ '^[a-z]{2,3}(_[A-Za-z0-9]{2,8})*$');
