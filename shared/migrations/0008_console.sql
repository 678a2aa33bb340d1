-- What the console needs beyond reading: sessions that end when nobody uses them, links that it mails itself.

ALTER TABLE sessions ADD COLUMN last_seen_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX sessions_email ON sessions (email);
CREATE INDEX sign_in_links_email ON sign_in_links (email);

GRANT UPDATE (last_seen_at) ON sessions TO winback_app;
GRANT INSERT ON sign_in_links TO winback_app;
