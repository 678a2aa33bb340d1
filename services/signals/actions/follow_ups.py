"""Promised calls, and notes about an account."""

from datetime import date, datetime

from services.signals.actions.actor import Actor, note
from services.signals.store import account as accounts
from services.signals.store import follow_ups
from services.signals.store.follow_ups import FollowUpRow, NoteRow
from shared import db
from shared.domain.follow_ups import checked_day, checked_note
from shared.errors import FieldError, NotFound, Rejected


def finish(
    connection: db.Connection, organization: str, follow_up: str, *, by: Actor, at: datetime
) -> FollowUpRow:
    """It is done; twice is once. Raises NotFound."""
    row = _open(connection, organization, follow_up)
    if row.done_at is None:
        follow_ups.end(connection, organization, follow_up, at=at, by=by.name)
        note(connection, organization, by, "did follow-up", f"account {row.account}", _said(row))
    return row


def move(
    connection: db.Connection,
    organization: str,
    follow_up: str,
    day: str,
    *,
    today: date,
    by: Actor,
) -> FollowUpRow:
    """To another day, today or later. Raises NotFound, Rejected."""
    row = _open(connection, organization, follow_up)
    due_on = checked_day(day, today=today)
    if due_on is None:
        raise Rejected(FieldError(field="follow_up_on", reason="say a day"))
    if row.done_at is None and due_on != row.due_on:
        follow_ups.move(connection, organization, follow_up, due_on)
        detail = _said(row) | {"to": due_on.isoformat()}
        note(connection, organization, by, "moved follow-up", f"account {row.account}", detail)
    return row


def write_note(
    connection: db.Connection,
    organization: str,
    account: str,
    note_id: str,
    text: str,
    *,
    by: Actor,
    at: datetime,
) -> None:
    """`note_id` is the id that the form was given: sent twice, it is written once. Raises NotFound,
    Rejected.
    """
    if accounts.find(connection, organization, account) is None:
        raise NotFound(f"no account {account}")
    body = checked_note(text)
    if body is None:
        raise Rejected(FieldError(field="note", reason="is empty"))
    if follow_ups.add_note(
        connection, organization, note=note_id, account=account, body=body, at=at, actor=by.name
    ):
        note(connection, organization, by, "wrote note", f"account {account}", {"note": note_id})


def delete_note(
    connection: db.Connection, organization: str, note_id: str, *, by: Actor
) -> NoteRow:
    """By who wrote it, or by those who govern. Raises NotFound, Rejected."""
    row = follow_ups.find_note(connection, organization, note_id)
    if row is None:
        raise NotFound("no such note")
    if row.actor != by.name and not by.governs:
        reason = f"only {row.actor} may delete it, or an owner or admin"
        raise Rejected(FieldError(field="note", reason=reason))
    follow_ups.delete_note(connection, organization, note_id)
    note(connection, organization, by, "deleted note", f"account {row.account}", {"note": note_id})
    return row


def _open(connection: db.Connection, organization: str, follow_up: str) -> FollowUpRow:
    row = follow_ups.lock(connection, organization, follow_up)
    if row is None:
        raise NotFound("no such follow-up")
    return row


def _said(row: FollowUpRow) -> dict[str, str]:
    return {"follow_up": row.follow_up, "due_on": row.due_on.isoformat()}
