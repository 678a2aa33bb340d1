"""What a launch asks: whom it would write to, from whose address, how the organization sends."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared import db
from shared.domain.drafts import Suppressed
from shared.domain.enrollment import Enrollment

ADDRESSEES = """
SELECT
    d.account,
    d.account_name,
    d.contact,
    d.contact_name,
    d.email,
    d.owner,
    coalesce(d.enrollment, 'auto') AS enrollment,
    d.paused_until,
    d.lost_at,
    d.suppressed,
    d.account_in_sequence,
    d.contact_in_sequence,
    d.of_type,
    e.variables
FROM published_addressees d
JOIN published_enrollments e USING (organization, sequence, account, contact)
WHERE d.organization = %(organization)s
  AND d.sequence = %(sequence)s
  AND e.state = 'enrolled'
ORDER BY lower(coalesce(d.account_name, d.account)), d.account, d.contact
"""

SENDERS = """
SELECT
    email,
    proven_at,
    is_allowed
FROM published_senders
WHERE organization = %s
ORDER BY email
"""

OWNERS = """
SELECT
    owner,
    lower(email)
FROM owner_people
WHERE organization = %s
  AND email IS NOT NULL
"""

DOMAINS = "SELECT domain FROM sender_domains WHERE organization = %s ORDER BY domain"

SETTINGS = "SELECT settings FROM sending_settings WHERE organization = %s"

LOCK_SETTINGS = "SELECT settings FROM sending_settings WHERE organization = %s FOR UPDATE"

SAVE_SETTINGS = """
INSERT INTO sending_settings (organization, settings, saved_at, saved_by)
VALUES (%(organization)s, %(settings)s, %(at)s, %(by)s)
ON CONFLICT (organization) DO UPDATE SET
    settings = excluded.settings,
    saved_at = excluded.saved_at,
    saved_by = excluded.saved_by
"""

ALLOW_DOMAIN = """
INSERT INTO sender_domains (organization, domain, allowed_at)
VALUES (%(organization)s, %(domain)s, %(at)s)
ON CONFLICT DO NOTHING
"""

DISALLOW_DOMAIN = """
DELETE FROM sender_domains
WHERE organization = %(organization)s
  AND domain = %(domain)s
"""

PROVE = """
INSERT INTO senders (organization, email, proven_at)
SELECT
    organization,
    email,
    %(at)s
FROM members
WHERE organization = %(organization)s
  AND lower(email) = lower(%(email)s)
ON CONFLICT (organization, email) DO UPDATE SET
    proven_at = excluded.proven_at
"""

PAUSES = """
SELECT
    sender,
    why,
    at
FROM published_sending_pauses
WHERE organization = %s
ORDER BY sender
"""

ROUND_TRIP = """
SELECT
    sender,
    asked_at,
    returned_at,
    wrong
FROM published_round_trips
WHERE organization = %s
"""

REFUSE = """
INSERT INTO suppressions (organization, email, reason, at, by, note)
VALUES (%(organization)s, %(email)s, %(reason)s, %(at)s, %(by)s, %(note)s)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, kw_only=True)
class AddresseeRow:
    """Somebody enrolled, with what is known of them now. of_type: active signals of the sequence's
    type at the account.
    """

    account: str
    account_name: str | None
    contact: str
    contact_name: str | None
    email: str | None
    owner: str | None
    enrollment: Enrollment
    paused_until: datetime | None
    lost_at: datetime | None
    suppressed: Suppressed | None
    account_in_sequence: bool
    contact_in_sequence: bool
    of_type: int
    variables: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class SenderRow:
    """A member; letters may bear their address once it is proven, at a domain that is allowed."""

    email: str
    proven_at: datetime | None
    is_allowed: bool

    @property
    def is_usable(self) -> bool:
        """Whether letters may bear it."""
        return self.proven_at is not None and self.is_allowed


@dataclass(frozen=True, kw_only=True)
class PauseRow:
    """Sending that a guard stopped; sender "": all of it."""

    sender: str
    why: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class RoundTripRow:
    """The newest mail of the organization to itself. wrong: what the relay changed on the way."""

    sender: str
    asked_at: datetime
    returned_at: datetime | None
    wrong: str | None


def addressees(connection: db.Connection, organization: str, sequence: str) -> list[AddresseeRow]:
    """Who is enrolled, by name."""
    with connection.cursor(row_factory=class_row(AddresseeRow)) as cursor:
        return cursor.execute(
            ADDRESSEES, {"organization": organization, "sequence": sequence}
        ).fetchall()


def senders(connection: db.Connection, organization: str) -> list[SenderRow]:
    """Every member."""
    with connection.cursor(row_factory=class_row(SenderRow)) as cursor:
        return cursor.execute(SENDERS, (organization,)).fetchall()


def owners(connection: db.Connection, organization: str) -> dict[str, str]:
    """owner as the ERP writes it -> a member's address, in small letters."""
    return dict(connection.execute(OWNERS, (organization,)).fetchall())


def domains(connection: db.Connection, organization: str) -> list[str]:
    """What the operator allowed."""
    return [str(row[0]) for row in connection.execute(DOMAINS, (organization,))]


def settings(connection: db.Connection, organization: str, *, locked: bool = False) -> Any:
    """As they were saved; None: nobody has."""
    query = LOCK_SETTINGS if locked else SETTINGS
    row = connection.execute(query, (organization,)).fetchone()
    return None if row is None else row[0]


def save_settings(
    connection: db.Connection, organization: str, settings: Any, *, by: str, at: datetime
) -> None:
    """In place of what was there."""
    values = {"organization": organization, "settings": Jsonb(settings), "by": by, "at": at}
    connection.execute(SAVE_SETTINGS, values)


def allow_domain(
    connection: db.Connection, organization: str, domain: str, *, at: datetime
) -> bool:
    """False: it was allowed already."""
    values = {"organization": organization, "domain": domain, "at": at}
    return connection.execute(ALLOW_DOMAIN, values).rowcount == 1


def disallow_domain(connection: db.Connection, organization: str, domain: str) -> bool:
    """False: it was not allowed."""
    values = {"organization": organization, "domain": domain}
    return connection.execute(DISALLOW_DOMAIN, values).rowcount == 1


def prove(connection: db.Connection, organization: str, email: str, *, at: datetime) -> bool:
    """False: nobody here has the address."""
    values = {"organization": organization, "email": email, "at": at}
    return connection.execute(PROVE, values).rowcount == 1


def pauses(connection: db.Connection, organization: str) -> list[PauseRow]:
    """What guards stopped."""
    with connection.cursor(row_factory=class_row(PauseRow)) as cursor:
        return cursor.execute(PAUSES, (organization,)).fetchall()


def round_trip(connection: db.Connection, organization: str) -> RoundTripRow | None:
    """None: no test was sent yet."""
    with connection.cursor(row_factory=class_row(RoundTripRow)) as cursor:
        return cursor.execute(ROUND_TRIP, (organization,)).fetchone()


def refuse(
    connection: db.Connection,
    organization: str,
    email: str,
    *,
    reason: str,
    by: str,
    at: datetime,
    note: str | None = None,
) -> bool:
    """False: nothing may be sent to it already."""
    values = {"organization": organization, "email": email, "reason": reason}
    return connection.execute(REFUSE, values | {"by": by, "at": at, "note": note}).rowcount == 1
