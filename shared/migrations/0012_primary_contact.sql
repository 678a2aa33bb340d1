-- Whom people chose in the console as an account's primary contact; it outdoes what records say.
ALTER TABLE accounts ADD COLUMN primary_contact text;

-- The history of one account.
CREATE INDEX audit_log_subject ON audit_log (organization, subject, at DESC);
