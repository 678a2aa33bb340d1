"""Who asks: a bearer token -> its organization and what that holds its input
against, remembered for a few seconds.
"""

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg_pool import ConnectionPool

from services.ingest import store
from services.ingest.acceptance import Terms
from shared import clock, db
from shared.errors import Retryable
from shared.settings import settings

REMEMBERED_SECONDS = 10.0  # a revoked token works no longer than this
MOST_REMEMBERED = 10_000
USE_NOTED_EVERY_SECONDS = 60.0
KEYS_FORGOTTEN_EVERY_SECONDS = 3600.0


class Refused(Exception):
    """The token is none, unknown or revoked, or may not do this; `status` as in HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A token that is known, with its organization."""

    token: store.Token
    organization: store.Organization

    def terms(self, accepted_at: datetime) -> Terms:
        """What an item that comes with this token is held against."""
        return Terms(
            organization=self.organization.organization,
            currency=self.organization.currency,
            timezone=self.organization.timezone,
            sizes=self.organization.sizes,
            accepted_at=accepted_at,
            most_lines=settings().ingest_max_lines,
        )


class Access:
    """Finds callers. Blocking (it asks PostgreSQL when it does not remember): call
    `remembered` first from an event loop.
    """

    def __init__(self, app_pool: ConnectionPool[db.Connection]) -> None:
        self._pool = app_pool
        self._callers: dict[bytes, tuple[float, Caller]] = {}
        self._strangers: dict[bytes, float] = {}  # by themselves: guesses push nobody out
        self._noted: dict[tuple[str, str], float] = {}
        self._forgotten: dict[str, float] = {}

    def remembered(self, token: str) -> Caller | None:
        """The caller, where that is known without asking PostgreSQL."""
        kept = self._callers.get(token_hash(token))
        return kept[1] if kept is not None and kept[0] > time.monotonic() else None

    def find(self, token: str) -> Caller | None:
        """The caller; None for a token that is unknown or revoked. Raises
        Retryable while PostgreSQL is away.
        """
        hashed = token_hash(token)
        kept = self._callers.get(hashed)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        if self._strangers.get(hashed, 0.0) > time.monotonic():
            return None
        try:
            caller = self._ask(hashed)
        except psycopg.OperationalError as error:
            raise Retryable(f"PostgreSQL is not there: {error}") from None
        until = time.monotonic() + REMEMBERED_SECONDS
        if caller is None:
            self._callers.pop(hashed, None)
            if len(self._strangers) >= MOST_REMEMBERED:
                self._strangers.clear()
            self._strangers[hashed] = until
            return None
        if len(self._callers) >= MOST_REMEMBERED:
            self._callers.clear()
        self._callers[hashed] = (until, caller)
        return caller

    def _ask(self, hashed: bytes) -> Caller | None:
        with self._pool.connection() as connection:
            token = store.find_token(connection, hashed)
        if token is None:
            return None
        with db.organization_transaction(self._pool, token.organization) as connection:
            organization = store.find_organization(connection, token.organization)
            if organization is None:
                return None
            self._keep_house(connection, token)
        return Caller(token=token, organization=organization)

    def _keep_house(self, connection: db.Connection, token: store.Token) -> None:
        """Note the token's use and drop old keys, now and then."""
        used, now = (token.organization, token.name), time.monotonic()
        if now - self._noted.get(used, -USE_NOTED_EVERY_SECONDS) >= USE_NOTED_EVERY_SECONDS:
            store.note_use(
                connection, organization=token.organization, name=token.name, at=clock.now()
            )
            self._noted[used] = now
        if (
            now - self._forgotten.get(token.organization, -KEYS_FORGOTTEN_EVERY_SECONDS)
            >= KEYS_FORGOTTEN_EVERY_SECONDS
        ):
            before = clock.now() - timedelta(days=store.KEPT_DAYS)
            store.forget_keys(connection, organization=token.organization, before=before)
            self._forgotten[token.organization] = now


def token_hash(token: str) -> bytes:
    """As the signals service keeps it: tokens are random, so a plain SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def bearer(header: str | None) -> str:
    """The token of an Authorization header. Raises Refused."""
    scheme, _, token = (header or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, "an Authorization header with a Bearer token is needed")
    return token.strip()


def admitted(caller: Caller | None, scope: str) -> Caller:
    """The caller, if it may do what `scope` names. Raises Refused."""
    if caller is None:
        raise Refused(401, "the token is unknown or revoked")
    if scope not in caller.token.scopes:
        raise Refused(403, f"the token lacks the scope {scope}")
    return caller
