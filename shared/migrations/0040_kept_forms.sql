-- What was typed into a form that was sent after its session had ended, for an hour: for the browser that has the key alone, and
-- for the person whose session it was. kept: the hash of the key. person: a keyed hash of the address. typed: encrypted by the key.
CREATE TABLE kept_forms (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    kept          bytea NOT NULL,
    person        bytea NOT NULL,
    typed         bytea NOT NULL,
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (organization, kept)
);

CREATE INDEX kept_forms_expire ON kept_forms (organization, expires_at);

ALTER TABLE kept_forms ENABLE ROW LEVEL SECURITY;
ALTER TABLE kept_forms FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON kept_forms TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON kept_forms TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON kept_forms TO winback_app, winback_worker;
