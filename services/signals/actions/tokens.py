"""ERP tokens: owners and admins make, rotate and revoke them. A token is shown once, by whoever
made it; only its hash is kept.
"""

import hashlib
import secrets

from services.signals.actions.actor import Actor, must_govern, note
from services.signals.store import organizations
from shared import db
from shared.errors import FieldError, Rejected

SCOPES = ("orders:write", "accounts:write", "contacts:write", "signals:read")
PREFIX = "wb_"  # says what it is, when it is found where it should not be


def create(
    connection: db.Connection, organization: str, *, name: str, scopes: list[str], by: Actor
) -> str:
    """The token: shown now, never again. Raises Forbidden, Rejected, NotFound."""
    must_govern(by)
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise Rejected(FieldError(field="--scope", reason=f"must be some of {', '.join(SCOPES)}"))
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise Rejected(FieldError(field="--name", reason="must have 1 to 64 characters"))
    organizations.find(connection, organization)
    token, token_hash = _new()
    kept = sorted(set(scopes))
    organizations.insert_token(
        connection, organization, name=name, scopes=kept, token_hash=token_hash
    )
    note(connection, organization, by, "created", f"token {name}", {"scopes": kept})
    return token


def rotate(connection: db.Connection, organization: str, name: str, *, by: Actor) -> str:
    """The new token: shown now, never again. Raises Forbidden, NotFound."""
    must_govern(by)
    token, token_hash = _new()
    organizations.rotate_token(connection, organization, name, token_hash)
    note(connection, organization, by, "rotated", f"token {name}", {})
    return token


def revoke(connection: db.Connection, organization: str, name: str, *, by: Actor) -> None:
    """It works no more, within seconds. Raises Forbidden, NotFound."""
    must_govern(by)
    organizations.revoke_token(connection, organization, name)
    note(connection, organization, by, "revoked", f"token {name}", {})


def _new() -> tuple[str, bytes]:
    """(the token, the hash of it that is kept)."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).digest()
