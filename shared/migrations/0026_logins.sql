-- A login for each process that reaches PostgreSQL: it takes on the role of its work and nothing else. None inherits, owns, is a
-- superuser, or is a member of another login. They have no password until `winback migrate` is given one (shared/logins.py):
-- until then nobody logs in as them, and processes that still come as the owner work on as they did.
--
-- Who migrates needs CREATEROLE and the database; a superuser it need not be.

DO $$
DECLARE
    login text;
BEGIN
    FOREACH login IN ARRAY ARRAY[
        'winback_ingest', 'winback_persist', 'winback_clock', 'winback_console', 'winback_digest', 'winback_sequences'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
            EXECUTE format(
                'CREATE ROLE %I LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION', login);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), login);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO winback_worker', current_database()); -- what comes in bulk is staged
END
$$;

GRANT winback_app TO winback_ingest, winback_console;
GRANT winback_worker TO winback_ingest, winback_persist, winback_clock, winback_digest, winback_sequences;

-- What everybody may do by default, who connects: see names, make temporary tables, run functions.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO winback_app, winback_worker;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO winback_app, winback_worker;

-- As in the audit log: what was saved, and what was said of accounts, is only added.
REVOKE UPDATE, DELETE, TRUNCATE ON settings_versions, outcomes FROM winback_app, winback_worker;
