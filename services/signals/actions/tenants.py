"""Tenants: whoever operates the installation creates and deletes them."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.signals.actions import members, tombstones
from services.signals.actions.actor import Actor, must_govern, must_operate, note
from services.signals.store import organizations, settings, slots
from services.signals.store.organizations import Organization
from shared import clock, db
from shared.domain.currencies import CURRENCIES
from shared.domain.thresholds import DEFAULTS
from shared.errors import FieldError, Rejected
from shared.wording import LOCALE, known_locale

ORGANIZATION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
NIGHTLY_HOUR = 5
DIGEST_HOUR = 8
WRONG_LOCALE = "must be a language and a country such as de_DE, with numbers that a keyboard types"


def create_organization(
    connection: db.Connection,
    organization: str,
    *,
    name: str,
    currency: str,
    timezone: str,
    with_schedules: bool,
    locale: str = LOCALE,
    by: Actor,
) -> None:
    """A tenant with default settings (version 1) and, unless told otherwise, a nightly run and a
    digest on Mondays.

    Raises Forbidden, and Rejected for what cannot be, and for an id that exists or did.
    """
    must_operate(by)
    known = known_locale(locale)
    wrong = [
        FieldError(field=field, reason=reason)
        for field, reason, is_wrong in (
            (
                "organization",
                "must be 1 to 63 of a-z, 0-9 and -, not first -",
                not ORGANIZATION.fullmatch(organization),
            ),
            (
                "--name",
                "must have 1 to 200 characters",
                not 1 <= len(name.strip()) <= 200 or not name.isprintable(),
            ),
            ("--currency", "must be an ISO 4217 code such as USD", currency not in CURRENCIES),
            ("--timezone", "must be an IANA name such as America/Chicago", not _is_zone(timezone)),
            ("--locale", WRONG_LOCALE, known is None),
        )
        if is_wrong
    ]
    if known is None or wrong:
        raise Rejected(*wrong)
    now = clock.now()
    tenant = Organization(
        organization=organization,
        name=name.strip(),
        currency=currency,
        timezone=timezone,
        locale=known,
        created_at=now,
    )
    organizations.insert(connection, tenant)
    settings.save(connection, organization, 1, DEFAULTS, saved_at=now, saved_by=by.name)
    if with_schedules:
        add_default_schedules(connection, organization, timezone, now)
    note(connection, organization, by, "created", "organization", {}, at=now)


def set_locale(connection: db.Connection, organization: str, locale: str, *, by: Actor) -> str:
    """How it writes numbers from now on. Returns the locale in its one spelling. Raises Forbidden,
    Rejected, NotFound.
    """
    must_govern(by)
    known = known_locale(locale)
    if known is None:
        raise Rejected(FieldError(field="--locale", reason=WRONG_LOCALE))
    before = organizations.find(connection, organization).locale
    if known != before:
        organizations.set_locale(connection, organization, known)
        detail = {"locale": {"from": before, "to": known}}
        note(connection, organization, by, "changed", "organization", detail)
    return known


def add_default_schedules(
    connection: db.Connection, organization: str, timezone: str, now: datetime
) -> None:
    """A run every night, a digest on Mondays."""
    today = now.astimezone(ZoneInfo(timezone)).date()
    monday = today - timedelta(days=today.weekday())
    slots.set_schedule(
        connection,
        organization,
        "nightly",
        frequency="daily",
        hour=NIGHTLY_HOUR,
        anchor_on=today,
        since=now,
    )
    slots.set_schedule(
        connection,
        organization,
        "digest",
        frequency="weekly",
        hour=DIGEST_HOUR,
        anchor_on=monday,
        since=now,
    )


def delete_organization(connection: db.Connection, organization: str, *, by: Actor) -> None:
    """All rows of it, its audit log too, and its accounts and contacts in Kafka; who is a member
    nowhere else is signed out; the id is never used again. Raises Forbidden, NotFound, Retryable.
    """
    must_operate(by)
    organizations.find(connection, organization)
    people = members.roles(connection, organization)
    tombstones.publish(organization, organizations.compacted_ids(connection, organization))
    organizations.delete(connection, organization)
    for email in people:  # in the order of addresses: two deletions wait, and never for each other
        members.end_access_of_strangers(connection, email)


def _is_zone(timezone: str) -> bool:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return "/" in timezone or timezone == "UTC"
