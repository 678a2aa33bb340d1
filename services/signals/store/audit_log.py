"""The audit log of what people do: a row added, and rows read, narrowed, from the newest end, page
by page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared import db

INSERT_AUDIT = """
INSERT INTO audit_log (organization, at, actor, action, subject, detail)
VALUES (%(organization)s, %(at)s, %(actor)s, %(action)s, %(subject)s, %(detail)s)
"""

ENTRIES = """
SELECT
    id::text AS id,
    at,
    actor,
    action,
    subject,
    detail
FROM audit_log
WHERE organization = %(organization)s
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(subject)s::text IS NULL OR strpos(lower(subject), lower(%(subject)s)) > 0)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
  AND (%(before_at)s::timestamptz IS NULL OR (at, id) < (%(before_at)s, %(before_id)s::uuid))
ORDER BY at DESC, id DESC
LIMIT %(limit)s
"""

WORDS = """
SELECT DISTINCT
    actor,
    action
FROM (
    SELECT
        actor,
        action
    FROM audit_log
    WHERE organization = %s
    ORDER BY at DESC
    LIMIT 20000
) AS recent
"""


ACCOUNT_NAMES = """
SELECT account, name
FROM accounts
WHERE organization = %(organization)s
  AND account = ANY(%(accounts)s)
  AND name IS NOT NULL
"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Who did what to what, when, and the state it left behind."""

    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """None: not narrowed. `subject` is a part of one; `until` is no longer in it."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def note(
    connection: db.Connection,
    organization: str,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    detail: dict[str, Any],
) -> None:
    """One row of the audit log."""
    connection.execute(
        INSERT_AUDIT,
        {
            "organization": organization,
            "at": at,
            "actor": actor,
            "action": action,
            "subject": subject,
            "detail": Jsonb(detail),
        },
    )


def entries(
    connection: db.Connection,
    organization: str,
    narrowed: Filter,
    *,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[Entry]:
    """The newest first, from behind the place `before`."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            ENTRIES, _parameters(organization, narrowed, before, limit)
        ).fetchall()


def words(connection: db.Connection, organization: str) -> tuple[list[str], list[str]]:
    """(actors, actions) that there are to choose from."""
    found = connection.execute(WORDS, (organization,)).fetchall()
    return sorted({str(row[0]) for row in found}), sorted({str(row[1]) for row in found})


def _parameters(
    organization: str, narrowed: Filter, before: tuple[datetime, str] | None, limit: int
) -> dict[str, Any]:
    return {
        "organization": organization,
        "actor": narrowed.actor,
        "action": narrowed.action,
        "subject": narrowed.subject,
        "since": narrowed.since,
        "until": narrowed.until,
        "before_at": before[0] if before else None,
        "before_id": before[1] if before else None,
        "limit": limit,
    }


def account_names(
    connection: db.Connection, organization: str, accounts: Sequence[str]
) -> dict[str, str]:
    """account -> its name; those without one are left out."""
    values = {"organization": organization, "accounts": list(accounts)}
    return {str(row[0]): str(row[1]) for row in connection.execute(ACCOUNT_NAMES, values)}
