-- One search over accounts, orders, contacts and products, and orders that are narrowed down.

-- Words of people at accounts, as account_words has them of accounts.
CREATE TABLE contact_words (
    organization  text NOT NULL,
    contact       text NOT NULL,
    word          text COLLATE "C" NOT NULL,
    PRIMARY KEY (organization, contact, word),
    FOREIGN KEY (organization, contact) REFERENCES contacts ON DELETE CASCADE
);

CREATE INDEX contact_words_word ON contact_words (organization, word, contact);

ALTER TABLE contact_words ENABLE ROW LEVEL SECURITY;
ALTER TABLE contact_words FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON contact_words TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON contact_words TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON contact_words TO winback_app, winback_worker;

-- Of a telephone number the digits alone.
CREATE FUNCTION note_contact_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    said text := concat_ws(' ', NEW.name, NEW.email, regexp_replace(to_jsonb(NEW) ->> 'phone', '[^0-9]', '', 'g'));
BEGIN
    DELETE FROM contact_words WHERE organization = NEW.organization AND contact = NEW.contact;
    INSERT INTO contact_words (organization, contact, word)
    SELECT DISTINCT NEW.organization, NEW.contact, beginning
    FROM words_of(said, NEW.contact) AS found
    CROSS JOIN LATERAL beginnings_of(found.word);
    RETURN NULL;
END
$$;

CREATE TRIGGER contacts_words AFTER INSERT OR UPDATE ON contacts
    FOR EACH ROW EXECUTE FUNCTION note_contact_words();

-- What was ever ordered: each product with its size and grade as sent ('' for none), and its words.
CREATE TABLE goods (
    organization  text NOT NULL REFERENCES organizations ON DELETE CASCADE,
    od            text NOT NULL,
    grade         text NOT NULL,
    product       text NOT NULL,
    words         text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (organization, od, grade, product)
);

ALTER TABLE goods ENABLE ROW LEVEL SECURITY;
ALTER TABLE goods FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON goods TO winback_app
    USING (organization = nullif(current_setting('app.org', true), ''))
    WITH CHECK (organization = nullif(current_setting('app.org', true), ''));
CREATE POLICY all_organizations ON goods TO winback_worker USING (true) WITH CHECK (true);
GRANT SELECT ON goods TO winback_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON goods TO winback_worker;

CREATE FUNCTION note_goods_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.words := (SELECT coalesce(' ' || string_agg(word, ' '), '') FROM words_of(concat_ws(' ', NEW.product, NEW.grade), NEW.od));
    RETURN NEW;
END
$$;

CREATE TRIGGER goods_words BEFORE INSERT ON goods FOR EACH ROW EXECUTE FUNCTION note_goods_words();

SET LOCAL ROLE winback_worker;

INSERT INTO contact_words (organization, contact, word)
SELECT DISTINCT c.organization, c.contact, b.beginning
FROM contacts c
CROSS JOIN LATERAL words_of(concat_ws(' ', c.name, c.email), c.contact) AS w
CROSS JOIN LATERAL beginnings_of(w.word) AS b;

INSERT INTO goods (organization, od, grade, product)
SELECT DISTINCT o.organization, coalesce(line.od, ''), coalesce(line.grade, ''), line.product
FROM orders o
CROSS JOIN LATERAL unnest(o.products, o.ods, o.grades) AS line (product, od, grade);

RESET ROLE;

-- Orders by their day.
CREATE INDEX orders_day ON orders (organization, counts_on, order_id);
