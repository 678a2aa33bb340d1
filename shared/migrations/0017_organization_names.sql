-- Who is signed in sees the names of their organizations, not ids alone; by the address that own_memberships goes by.
CREATE POLICY own_memberships ON organizations FOR SELECT TO winback_app
    USING (
        EXISTS (
            SELECT
            FROM members m
            WHERE m.organization = organizations.organization
              AND m.email = nullif(current_setting('app.email', true), '')
        )
    );
