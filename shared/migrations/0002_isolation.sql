-- Row-level security on every tenant table, and the two roles that processes take on (`db.pool` sets the role).
-- winback_app serves HTTP and sees one organization, named per transaction by set_config('app.org', …, true).
-- winback_worker serves no HTTP and sees all. Neither owns anything, is a superuser or can bypass the policies.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'winback_app') THEN
        CREATE ROLE winback_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'winback_worker') THEN
        CREATE ROLE winback_worker NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
    EXECUTE format('GRANT winback_app, winback_worker TO %I', current_user);
END
$$;

GRANT USAGE ON SCHEMA public TO winback_app, winback_worker;

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOR tenant_table IN
        SELECT c.relname
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization'
        WHERE c.relnamespace = 'public'::regnamespace
          AND c.relkind = 'r'
          AND c.relname <> 'tokens'
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format(
            'CREATE POLICY own_organization ON %I TO winback_app
                 USING (organization = nullif(current_setting(''app.org'', true), ''''))
                 WITH CHECK (organization = nullif(current_setting(''app.org'', true), ''''))',
            tenant_table);
        EXECUTE format('CREATE POLICY all_organizations ON %I TO winback_worker USING (true) WITH CHECK (true)', tenant_table);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO winback_app, winback_worker', tenant_table);
    END LOOP;
END
$$;

REVOKE INSERT, UPDATE, DELETE ON organizations FROM winback_app;
GRANT SELECT ON tokens TO winback_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tokens, positions TO winback_worker;
GRANT SELECT ON positions TO winback_app;
