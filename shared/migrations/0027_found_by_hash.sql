-- Sessions, links and tokens are found before it is known who asks. The app role sees the one whose hash it knows
-- (app.hash, in hex), or those of the address that it acts for (app.email), in this transaction; never all of them.
-- What the identity provider said of an address, likewise.

ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
ALTER TABLE sign_in_links ENABLE ROW LEVEL SECURITY;
ALTER TABLE sign_in_links FORCE ROW LEVEL SECURITY;
ALTER TABLE identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE identities FORCE ROW LEVEL SECURITY;

CREATE POLICY found_by_hash ON sessions TO winback_app
    USING (session_hash = decode(nullif(current_setting('app.hash', true), ''), 'hex'))
    WITH CHECK (session_hash = decode(nullif(current_setting('app.hash', true), ''), 'hex'));
CREATE POLICY own_address ON sessions TO winback_app
    USING (email = nullif(current_setting('app.email', true), ''))
    WITH CHECK (email = nullif(current_setting('app.email', true), ''));

CREATE POLICY found_by_hash ON sign_in_links TO winback_app
    USING (link_hash = decode(nullif(current_setting('app.hash', true), ''), 'hex'))
    WITH CHECK (link_hash = decode(nullif(current_setting('app.hash', true), ''), 'hex'));
CREATE POLICY own_address ON sign_in_links TO winback_app
    USING (email = nullif(current_setting('app.email', true), ''))
    WITH CHECK (email = nullif(current_setting('app.email', true), ''));

CREATE POLICY own_address ON identities TO winback_app
    USING (email = nullif(current_setting('app.email', true), ''))
    WITH CHECK (email = nullif(current_setting('app.email', true), ''));

DROP POLICY found_by_hash ON tokens;
CREATE POLICY found_by_hash ON tokens FOR SELECT TO winback_app
    USING (token_hash = decode(nullif(current_setting('app.hash', true), ''), 'hex'));

CREATE POLICY everybody ON sessions TO winback_worker USING (true) WITH CHECK (true);
CREATE POLICY everybody ON sign_in_links TO winback_worker USING (true) WITH CHECK (true);
CREATE POLICY everybody ON identities TO winback_worker USING (true) WITH CHECK (true);

-- The version before names no hash, and logs in as the owner. While an upgrade is under way it goes on; who logs in as the
-- owner can lay any policy aside, so this gives away nothing. The next release drops it.
DO $$
DECLARE
    found text;
BEGIN
    EXECUTE format('CREATE POLICY version_before ON tokens FOR SELECT TO winback_app USING (session_user = %L)', current_user);
    FOREACH found IN ARRAY ARRAY['sessions', 'sign_in_links', 'identities'] LOOP
        EXECUTE format(
            'CREATE POLICY version_before ON %I TO winback_app USING (session_user = %L)', found, current_user);
    END LOOP;
END
$$;
