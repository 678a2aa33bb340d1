"""Security events: what happened to access, told to whoever watches.

    tell   a line of the log (`security`) and a count: winback_security_events_total
    keep   a row (`winback purge` says how long it is kept)
    note   both

People are named by a keyed hash, operators by their login. Refusals may come by the thousand: of
each kind a line a second is logged, which says how many were not; all are counted.
"""

import getpass
import os
import threading
import time
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

import structlog
from psycopg.types.json import Jsonb

from shared import clock, db, keys, metrics

Kind = Literal[
    "signed in",
    "sign-in refused",
    "another subject",
    "signed out",
    "signed out everywhere",
    "session ended",
    "sign-in wanted again",
    "invitation accepted",
    "not signed in",
    "forbidden",
    "forged form",
    "token refused",
    "member changed",
    "token changed",
    "exported",
    "operator's verb",
]
REFUSALS: frozenset[Kind] = frozenset(
    {"not signed in", "forbidden", "forged form", "token refused", "sign-in refused"}
)
LINE_EVERY_SECONDS = 1.0

INSERT = """
INSERT INTO security_events (at, kind, person, operator, about, detail)
VALUES (%(at)s, %(kind)s, %(person)s, %(operator)s, %(about)s, %(detail)s)
"""

PURGE = "DELETE FROM security_events WHERE at < %s"

log = structlog.get_logger()
_lock = threading.Lock()
_said_at: dict[Kind, float] = {}
_unsaid: dict[Kind, int] = {}


def begin() -> None:
    """Once in a process that tells of them: Prometheus sees the first of each kind."""
    for kind in get_args(Kind):
        metrics.SECURITY_EVENTS.labels(kind)


def name_in_logs(email: str) -> str:
    """The same for one address always, and told to nobody who has not the secret."""
    return keys.named("names-in-logs", email)[:16]


def operator_name() -> str:
    """Who types a verb: their login, also behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def tell(kind: Kind, *, email: str = "", about: str = "", **more: Any) -> None:
    """A line and a count. `about`: an organization."""
    metrics.SECURITY_EVENTS.labels(kind).inc()
    unsaid = 0
    if kind in REFUSALS:
        with _lock:
            now = time.monotonic()
            if now - _said_at.get(kind, -LINE_EVERY_SECONDS) < LINE_EVERY_SECONDS:
                _unsaid[kind] = _unsaid.get(kind, 0) + 1
                return
            _said_at[kind], unsaid = now, _unsaid.pop(kind, 0)
    said: dict[str, Any] = {"person": name_in_logs(email)} if email else {}
    said |= {"organization": about} if about else {}
    said |= {"unsaid": unsaid} if unsaid else {}
    (log.warning if kind in REFUSALS else log.info)("security", event_kind=kind, **said, **more)


def note(
    connection: db.Connection,
    kind: Kind,
    *,
    email: str = "",
    about: str = "",
    **more: Any,
) -> None:
    """A row in the caller's transaction, a line and a count."""
    keep(connection, kind, email=email, about=about, **more)
    tell(kind, email=email, about=about, **more)


def keep(
    connection: db.Connection,
    kind: Kind,
    *,
    email: str = "",
    operator: str = "",
    about: str = "",
    **more: Any,
) -> None:
    """The row alone, for a process that has no log."""
    connection.execute(
        INSERT,
        {
            "at": clock.now(),
            "kind": kind,
            "person": name_in_logs(email) if email else "",
            "operator": operator,
            "about": about,
            "detail": Jsonb(more),
        },
    )


def purge(connection: db.Connection, *, now: datetime, kept: timedelta) -> int:
    """As the owner: nobody else deletes them. Returns how many."""
    return connection.execute(PURGE, (now - kept,)).rowcount
