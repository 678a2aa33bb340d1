-- The letters of sequences leave by the same outbox as digests (shared/outbox). Their table is there since the beginning,
-- and empty: nothing plans a letter yet. It gains what the outbox needs, as digest_mails did in 0005_digest.sql.

-- submitted_at: set before the final dot goes out. ambiguous: how often the answer was lost; at 1 a letter waits for a person.
ALTER TABLE sequence_mails
    ADD COLUMN queued_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN submitted_at timestamptz,
    ADD COLUMN ambiguous int NOT NULL DEFAULT 0;
