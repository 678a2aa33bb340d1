-- A session has a name that opens nothing, so that a person can end one of theirs, and says which browser it was begun in.
ALTER TABLE sessions
    ADD COLUMN session uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN signed_in_from text NOT NULL DEFAULT '';

-- Who the identity provider said that an address is, at its first sign-in there: an address that is given to somebody else
-- is another subject. Found by address, before it is known which organization is asked for: no tenant table.
CREATE TABLE identities (
    email      text NOT NULL,
    issuer     text NOT NULL,
    subject    text NOT NULL,
    pinned_at  timestamptz NOT NULL,
    PRIMARY KEY (email, issuer)
);

GRANT SELECT, INSERT, DELETE ON identities TO winback_app, winback_worker;
