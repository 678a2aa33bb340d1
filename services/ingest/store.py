"""The only SQL of ingest over HTTP: tokens, what an organization holds its
input against, idempotency keys.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.db import Connection, see_hash
from shared.domain.sizes import TaughtSizes

KEPT_DAYS = 7  # a key is forgotten after this: no client retries a request for longer

FIND_CALLER = """
SELECT organization, name, scopes
FROM tokens
WHERE token_hash = %s
  AND revoked_at IS NULL
"""

FIND_ORGANIZATION = """
SELECT currency, timezone, sizes
FROM ingest_organizations
WHERE organization = %s
"""

NOTE_USE = """
INSERT INTO token_uses (organization, name, last_used_at)
VALUES (%(organization)s, %(name)s, %(at)s)
ON CONFLICT (organization, name) DO UPDATE
SET last_used_at = greatest(token_uses.last_used_at, excluded.last_used_at)
"""

# The row as it is, kept or new: an update that changes nothing returns it in either case.
KEEP_KEY = """
INSERT INTO idempotency_keys (organization, key, request_hash, accepted_at)
VALUES (%(organization)s, %(key)s, %(request_hash)s, %(accepted_at)s)
ON CONFLICT (organization, key) DO UPDATE
SET key = excluded.key
RETURNING request_hash, accepted_at, confirmed_at IS NOT NULL
"""

CONFIRM_KEY = """
UPDATE idempotency_keys
SET confirmed_at = %(at)s
WHERE organization = %(organization)s
  AND key = %(key)s
  AND confirmed_at IS NULL
"""

FORGET_KEYS = """
DELETE FROM idempotency_keys
WHERE organization = %(organization)s
  AND accepted_at < %(before)s
"""


@dataclass(frozen=True, kw_only=True)
class Token:
    """Who a token speaks for, and what it may do."""

    organization: str
    name: str
    scopes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Organization:
    """What an organization holds its input against."""

    organization: str
    currency: str
    timezone: str
    sizes: TaughtSizes


@dataclass(frozen=True, kw_only=True)
class KeptKey:
    """A request that was given a key: the hash of its body, when it was first
    accepted, whether Kafka has all of it.
    """

    request_hash: bytes
    accepted_at: datetime
    confirmed: bool


def find_token(connection: Connection, token_hash: bytes) -> Token | None:
    """The token that is not revoked; None for any other."""
    see_hash(connection, token_hash)
    row = connection.execute(FIND_CALLER, (token_hash,)).fetchone()
    return (
        None if row is None else Token(organization=row[0], name=row[1], scopes=frozenset(row[2]))
    )


def find_organization(connection: Connection, organization: str) -> Organization | None:
    """None where there is no such organization (any more)."""
    row = connection.execute(FIND_ORGANIZATION, (organization,)).fetchone()
    if row is None:
        return None
    return Organization(
        organization=organization, currency=row[0], timezone=row[1], sizes=TaughtSizes(row[2])
    )


def note_use(connection: Connection, *, organization: str, name: str, at: datetime) -> None:
    """When the token was used last."""
    connection.execute(NOTE_USE, {"organization": organization, "name": name, "at": at})


def keep_key(
    connection: Connection,
    *,
    organization: str,
    key: str,
    request_hash: bytes,
    accepted_at: datetime,
) -> KeptKey:
    """The key as it was kept first, or as it is kept now."""
    row = connection.execute(
        KEEP_KEY,
        {
            "organization": organization,
            "key": key,
            "request_hash": request_hash,
            "accepted_at": accepted_at,
        },
    ).fetchone()
    assert row is not None
    return KeptKey(request_hash=bytes(row[0]), accepted_at=row[1], confirmed=bool(row[2]))


def confirm_key(connection: Connection, *, organization: str, key: str, at: datetime) -> None:
    """Kafka has all of the request."""
    connection.execute(CONFIRM_KEY, {"organization": organization, "key": key, "at": at})


def forget_keys(connection: Connection, *, organization: str, before: datetime) -> None:
    """Drop keys that nobody will ask for again."""
    connection.execute(FORGET_KEYS, {"organization": organization, "before": before})
