-- What a rep stands for at the launch: stock, lead time, a price. Nothing of it is promised by a letter otherwise.
ALTER TABLE sequences ADD COLUMN confirmed text NOT NULL DEFAULT '';

CREATE OR REPLACE VIEW published_sequences WITH (security_invoker = true) AS
SELECT
    organization,
    sequence,
    digest,
    signal_type,
    name,
    state,
    drafted_at,
    launched_at,
    launched_by,
    sender,
    confirmed
FROM sequences;
