-- What the digest's outbox needs to say for certain what a mail server may have, and whom a digest was for.

-- private: sent by hand to one address; the next digest does not compare itself with it.
ALTER TABLE digests ADD COLUMN private boolean NOT NULL DEFAULT false;

-- submitted_at: set, in its own transaction, before the final dot goes out; cleared by an answer that says no. A sender that
-- died in between leaves it behind: the mail may have arrived. ambiguous: how often that was so; at 2 it is not sent again.
ALTER TABLE digest_mails
    ADD COLUMN queued_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN submitted_at timestamptz,
    ADD COLUMN ambiguous int NOT NULL DEFAULT 0;

CREATE INDEX digest_mails_queued ON digest_mails USING brin (queued_at);

-- Why somebody gets the digest is said in its foot.
CREATE OR REPLACE VIEW digest_recipients_view WITH (security_invoker = true) AS
SELECT
    r.organization,
    r.email,
    m.role,
    r.added_at,
    r.added_by
FROM digest_recipients r
JOIN members m USING (organization, email);
