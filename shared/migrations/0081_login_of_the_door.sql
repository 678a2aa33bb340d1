-- The login of the process `mail`, as 0026_logins.sql has those of the others.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'winback_mail') THEN
        CREATE ROLE winback_mail LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO winback_mail', current_database());
END
$$;

GRANT winback_worker TO winback_mail;
