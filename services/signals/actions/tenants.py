"""What an operator does to tenants: create and delete them, hand out tokens and sign-in links,
erase a person.
"""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.signals.store import erasure, organizations, settings, sign_in, slots
from services.signals.store.organizations import Organization
from shared import clock, db
from shared.domain.currencies import CURRENCIES
from shared.domain.thresholds import DEFAULTS
from shared.errors import FieldError, Rejected
from shared.wording import LOCALE, known_locale

ORGANIZATION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
EMAIL = re.compile(r"[^\s@\x00-\x1f]{1,64}@[^\s@\x00-\x1f]{1,189}")
SCOPES = ("orders:write", "accounts:write", "contacts:write", "signals:read")
ROLES = ("owner", "admin", "member")
TOKEN_PREFIX = "wb_"  # noqa: S105 # says what it is, when it is found where it should not be
NIGHTLY_HOUR = 5
DIGEST_HOUR = 8
SIGN_IN_WITHIN = timedelta(minutes=30)
WRONG_LOCALE = "must be a language and a country such as de_DE, with numbers that a keyboard types"
COMMAND_LINE = "command line"  # the actor in the audit log


def create_organization(
    connection: db.Connection,
    organization: str,
    *,
    name: str,
    currency: str,
    timezone: str,
    with_schedules: bool,
    locale: str = LOCALE,
) -> None:
    """A tenant with default settings (version 1) and, unless told otherwise, a nightly run and a
    digest on Mondays.

    Raises Rejected for what cannot be, and for an id that exists or did.
    """
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
    settings.save(connection, organization, 1, DEFAULTS, saved_at=now, saved_by=COMMAND_LINE)
    if with_schedules:
        add_default_schedules(connection, organization, timezone, now)
    settings.note(
        connection,
        organization,
        at=now,
        actor=COMMAND_LINE,
        action="created",
        subject="organization",
        detail={},
    )


def set_locale(connection: db.Connection, organization: str, locale: str) -> str:
    """How it writes numbers from now on; returns the locale in its one spelling. Raises Rejected,
    NotFound.
    """
    known = known_locale(locale)
    if known is None:
        raise Rejected(FieldError(field="--locale", reason=WRONG_LOCALE))
    before = organizations.find(connection, organization).locale
    if known != before:
        organizations.set_locale(connection, organization, known)
        detail = {"locale": {"from": before, "to": known}}
        now = clock.now()
        settings.note(
            connection,
            organization,
            at=now,
            actor=COMMAND_LINE,
            action="changed",
            subject="organization",
            detail=detail,
        )
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


def checked_email(email: str) -> str:
    """In the one spelling that is kept. Raises Rejected."""
    plain = email.strip().lower()
    if not EMAIL.fullmatch(plain) or not plain.isprintable():
        raise Rejected(FieldError(field="email", reason=f"{email!r} is no mail address"))
    return plain


def create_token(
    connection: db.Connection,
    organization: str,
    *,
    name: str,
    scopes: list[str],
    actor: str = COMMAND_LINE,
) -> str:
    """The token: shown now, never again. Raises Rejected, NotFound."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise Rejected(FieldError(field="--scope", reason=f"must be some of {', '.join(SCOPES)}"))
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise Rejected(FieldError(field="--name", reason="must have 1 to 64 characters"))
    organizations.find(connection, organization)
    token, token_hash = new_token()
    organizations.insert_token(
        connection, organization, name=name, scopes=sorted(set(scopes)), token_hash=token_hash
    )
    detail = {"scopes": sorted(set(scopes))}
    settings.note(
        connection,
        organization,
        at=clock.now(),
        actor=actor,
        action="created",
        subject=f"token {name}",
        detail=detail,
    )
    return token


def new_token() -> tuple[str, bytes]:
    """(the token, the hash of it that is kept)."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).digest()


def sign_in_link(connection: db.Connection, email: str, base_url: str) -> str:
    """A one-time address, good for half an hour. Raises NotFound for who is a member nowhere."""
    link = secrets.token_urlsafe(32)
    sign_in.insert_link(
        connection,
        email=checked_email(email),
        link_hash=sign_in.hashed(link),
        expires_at=clock.now() + SIGN_IN_WITHIN,
    )
    return f"{base_url.rstrip('/')}/sign-in/{link}"


def erase_contact(connection: db.Connection, organization: str, contact: str) -> bool:
    """Remove the person's row, what sequences wrote about or to them; the tombstone is the
    caller's. False: nothing was there.
    """
    organizations.find(connection, organization)
    found = erasure.erase_contact(connection, organization, contact)
    settings.note(
        connection,
        organization,
        at=clock.now(),
        actor=COMMAND_LINE,
        action="erased",
        subject="contact",
        detail={},
    )
    return found


def _is_zone(timezone: str) -> bool:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return "/" in timezone or timezone == "UTC"
