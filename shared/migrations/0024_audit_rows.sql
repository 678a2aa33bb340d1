-- Rows of the audit log are added and read. Nobody who serves changes or deletes one: they go with their organization alone,
-- by the foreign key, which acts as the table's owner.
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM winback_app, winback_worker;
