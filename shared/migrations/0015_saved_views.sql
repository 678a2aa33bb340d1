-- Owners and admins replay their organization's dead letters in the console, too.
GRANT SELECT, INSERT, UPDATE ON dead_letter_replays TO winback_app;

-- Views of the accounts table that people gave a name: the query of its address. member: whose it is; '' is everybody's.
CREATE TABLE saved_views (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    view          text NOT NULL,
    member        text NOT NULL,
    name          text NOT NULL,
    query         text NOT NULL,
    saved_at      timestamptz NOT NULL,
    saved_by      text NOT NULL,
    PRIMARY KEY (organization, view)
);

CREATE UNIQUE INDEX saved_views_name ON saved_views (organization, member, lower(name));

ALTER TABLE saved_views ENABLE ROW LEVEL SECURITY;
ALTER TABLE saved_views FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON saved_views TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON saved_views TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON saved_views TO winback_app, winback_worker;
