"""Digests as the console shows them: who gets them, what went out, what became of each mail (views
of the digest service).
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from shared import db

RECIPIENTS = """
SELECT
    m.email,
    m.role,
    r.email IS NOT NULL AS gets_it,
    coalesce(r.own_only, false) AS own_only,
    s.at AS unsubscribed_at
FROM members m
LEFT JOIN digest_recipients r USING (organization, email)
LEFT JOIN suppressions s USING (organization, email)
WHERE m.organization = %s
ORDER BY m.email
"""

DELETE_RECIPIENT = """
DELETE FROM digest_recipients
WHERE organization = %(organization)s
  AND email = %(email)s
"""

END_SUPPRESSION = """
DELETE FROM suppressions
WHERE organization = %(organization)s
  AND email = %(email)s
  AND reason IN ('unsubscribed', 'bounced')
"""

DIGEST_COLUMNS = """
SELECT
    digest,
    slot_at,
    run,
    heartbeat,
    recoverable_revenue_cents,
    subject,
    private,
    created_at
FROM published_digests
WHERE organization = %(organization)s
"""

NEWEST_DIGESTS = (
    DIGEST_COLUMNS
    + """
ORDER BY created_at DESC, digest
LIMIT %(limit)s
"""
)

DIGEST_BODY = """
SELECT
    html,
    body
FROM published_digests
WHERE organization = %(organization)s
  AND digest = %(digest)s
"""

MAILS = """
SELECT
    digest,
    email,
    state,
    attempts,
    next_attempt_at,
    sent_at,
    answer
FROM published_digest_mails
WHERE organization = %(organization)s
  AND digest = ANY(%(digests)s)
ORDER BY email
"""


@dataclass(frozen=True, kw_only=True)
class MemberRow:
    """A member, and whether the digest goes there."""

    email: str
    role: str
    gets_it: bool
    own_only: bool
    unsubscribed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DigestRow:
    """One digest or heartbeat; private: someone asked for it."""

    digest: str
    slot_at: datetime
    run: int | None
    heartbeat: bool
    recoverable_revenue_cents: int
    subject: str
    private: bool
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class MailRow:
    """One recipient's copy."""

    digest: str
    email: str
    state: str
    attempts: int
    next_attempt_at: datetime
    sent_at: datetime | None
    answer: str | None


def members(connection: db.Connection, organization: str) -> list[MemberRow]:
    """Everyone whom the digest may go to."""
    with connection.cursor(row_factory=class_row(MemberRow)) as cursor:
        return cursor.execute(RECIPIENTS, (organization,)).fetchall()


def remove_recipient(connection: db.Connection, organization: str, email: str) -> None:
    """The digest goes there no more."""
    connection.execute(DELETE_RECIPIENT, {"organization": organization, "email": email})


def end_suppression(connection: db.Connection, organization: str, email: str) -> bool:
    """Who unsubscribed wants mail again. False: they had not."""
    return (
        connection.execute(END_SUPPRESSION, {"organization": organization, "email": email}).rowcount
        == 1
    )


def newest_digests(connection: db.Connection, organization: str, *, limit: int) -> list[DigestRow]:
    """The newest first."""
    with connection.cursor(row_factory=class_row(DigestRow)) as cursor:
        return cursor.execute(
            NEWEST_DIGESTS, {"organization": organization, "limit": limit}
        ).fetchall()


def body(connection: db.Connection, organization: str, digest: str) -> tuple[str, str] | None:
    """(HTML, plain text) of a digest, without what is personal."""
    row = connection.execute(
        DIGEST_BODY, {"organization": organization, "digest": digest}
    ).fetchone()
    return (str(row[0]), str(row[1])) if row else None


def mails(connection: db.Connection, organization: str, digests: list[str]) -> list[MailRow]:
    """Of these digests, by address."""
    with connection.cursor(row_factory=class_row(MailRow)) as cursor:
        return cursor.execute(MAILS, {"organization": organization, "digests": digests}).fetchall()
