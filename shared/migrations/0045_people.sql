-- What is known of a person beside name and address. record: the fields as the newest record said them, without those
-- that it left out. A field changed by people stays until a record says something else of it than the record before; NULL:
-- no record came since this column is there.
ALTER TABLE contacts
    ADD COLUMN phone text,
    ADD COLUMN title text,
    ADD COLUMN newsletter text CHECK (newsletter IN ('subscribed', 'unsubscribed')),
    ADD COLUMN language text,
    ADD COLUMN zone text,
    ADD COLUMN country text,
    ADD COLUMN record jsonb;

-- Who added a person in the console; NULL: a record did.
ALTER TABLE contacts ADD COLUMN added_by text;

CREATE OR REPLACE VIEW published_contacts WITH (security_invoker = true) AS
SELECT
    organization,
    contact,
    account,
    email,
    name,
    is_primary,
    phone,
    title,
    newsletter,
    language,
    zone,
    country
FROM contacts;

-- What a record says of a person; what it leaves out is not there.
CREATE FUNCTION contact_record(
    email text, name text, phone text, title text, newsletter text, language text, zone text, country text
) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN jsonb_strip_nulls(jsonb_build_object(
        'email', email, 'name', name, 'phone', phone, 'title', title, 'newsletter', newsletter,
        'language', language, 'zone', zone, 'country', country
    ));

-- A field after a record: the record's where it differs from the record before, else as it stands.
CREATE FUNCTION followed(before jsonb, field text, stands text, comes text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN before IS NULL OR before ->> field IS DISTINCT FROM comes THEN comes ELSE stands END;
