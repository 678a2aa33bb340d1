"""Asking for a run, as people do; the clock publishes it."""

from datetime import date

from services.signals.actions.actor import Actor, must_govern, note
from services.signals.store import organizations, run_requests
from shared import clock, db
from shared.errors import FieldError, Rejected
from shared.events import RunReason


def ask(
    connection: db.Connection,
    organization: str,
    *,
    as_of: date | None,
    by: Actor,
    reason: RunReason = "manual",
) -> tuple[int, date]:
    """(number, day). Without a day it is today, or the latest run's day where that is later. Raises
    Forbidden, NotFound, Rejected.
    """
    must_govern(by)
    timezone = organizations.lock(connection, organization)
    latest = run_requests.latest_day(connection, organization)
    if as_of is not None and latest is not None and as_of < latest:
        raise Rejected(
            FieldError(
                field="--as-of", reason=f"must not be before {latest}, the day of the latest run"
            )
        )
    day = as_of or run_requests.day_for(connection, organization, clock.today(timezone))
    number = run_requests.request(
        connection, organization, as_of=day, reason=reason, requested_at=clock.now()
    )
    note_asked(connection, organization, by, number, day)
    return number, day


def note_asked(
    connection: db.Connection, organization: str, by: Actor, number: int, day: date
) -> None:
    """Who asked for the run, in the audit log."""
    note(connection, organization, by, "asked for", f"run {number}", {"as_of": day.isoformat()})
