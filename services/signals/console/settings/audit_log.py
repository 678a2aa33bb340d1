"""The audit log: who did what to what, narrowed by address; page by page, or as CSV."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from services.signals.actions.settings import Change
from services.signals.console.http.csv_export import ROWS_A_PAGE, download
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.problems import Wrong
from services.signals.console.http.rendering import render
from services.signals.console.settings.audit_words import accounts_of, sentence
from services.signals.console.settings.detection_view import change_words
from services.signals.console.words import moment
from services.signals.store import audit_log
from services.signals.store.audit_log import Entry, Filter
from services.signals.store.head import Head
from shared import db
from shared.domain.cadence import local_instant
from shared.wording import plain_name

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

ENTRIES_A_PAGE = 50
EXPORTED = ("at", "actor", "action", "subject", "detail")
LONGEST_DETAIL = 400
MOST_DETAILS = 20
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, kw_only=True)
class EntryView:
    """One row."""

    when: str
    when_exact: str
    sentence: str
    actor: str
    action: str
    subject: str
    detail: list[tuple[str, str]]


@router.get("/o/{organization}/settings/audit")
def show(
    request: Request,
    organization: str,
    actor: Text = "",
    action: Text = "",
    subject: Text = "",
    since: Text = "",
    until: Text = "",
    before: Text = "",
) -> Response:
    """The newest first."""
    typed = {"actor": actor, "action": action, "subject": subject, "since": since, "until": until}
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        narrowed = _filter(typed, head.timezone)
        place = _read_place(before) if before else None
        found = audit_log.entries(
            connection, organization, narrowed, before=place, limit=ENTRIES_A_PAGE + 1
        )
        actors, actions = audit_log.words(connection, organization)
        names = audit_log.account_names(
            connection, organization, accounts_of([entry.subject for entry in found])
        )
    chosen = {name: value for name, value in typed.items() if value}
    path = f"/o/{organization}/settings/audit"
    last = found[ENTRIES_A_PAGE - 1] if len(found) > ENTRIES_A_PAGE else None
    return render(
        request,
        "settings_audit.html",
        visitor=who,
        organization=organization,
        head=head,
        tab="audit",
        typed=typed,
        is_narrowed=bool(chosen),
        actors=actors,
        actions=actions,
        entries=[entry_view(entry, head, names) for entry in found[:ENTRIES_A_PAGE]],
        next_page=f"{path}?{urlencode(chosen | {'before': _place(last)})}" if last else None,
        first_page=f"{path}?{urlencode(chosen)}" if before else None,
        export=f"{path}.csv?{urlencode(chosen)}" if chosen else f"{path}.csv",
    )


@router.get("/o/{organization}/settings/audit.csv")
def export(
    request: Request,
    organization: str,
    actor: Text = "",
    action: Text = "",
    subject: Text = "",
    since: Text = "",
    until: Text = "",
) -> Response:
    """What is narrowed down to: all of it, the newest first."""
    typed = {"actor": actor, "action": action, "subject": subject, "since": since, "until": until}
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        narrowed = _filter(typed, head.timezone)

    def read(
        connection: db.Connection, place: tuple[datetime, str] | None
    ) -> tuple[list[Sequence[object]], tuple[datetime, str] | None]:
        found = audit_log.entries(
            connection, organization, narrowed, before=place, limit=ROWS_A_PAGE
        )
        goes_on = len(found) == ROWS_A_PAGE
        return [_exported(entry) for entry in found], (
            (found[-1].at, found[-1].id) if goes_on else None
        )

    name = f"{organization}-audit"
    return download(request, who, organization, "audit log", name, EXPORTED, read)


def _exported(entry: Entry) -> tuple[str, ...]:
    detail = json.dumps(entry.detail, ensure_ascii=False)
    return entry.at.isoformat(), entry.actor, entry.action, entry.subject, detail


def _filter(typed: dict[str, str], timezone: str) -> Filter:
    """Days are whole ones in the organization's zone, the last one included. Raises Wrong."""
    for name, value in typed.items():
        if "\x00" in value:
            raise Wrong(name, "has characters that nothing here has")
    since, until = (_day(name, typed[name]) for name in ("since", "until"))
    return Filter(
        actor=typed["actor"] or None,
        action=typed["action"] or None,
        subject=typed["subject"] or None,
        since=local_instant(since, 0, timezone) if since else None,
        until=local_instant(until + timedelta(days=1), 0, timezone) if until else None,
    )


def _day(name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Wrong(name, "must be a day such as 2026-11-23") from None
    if not 1970 <= day.year <= 9000:
        raise Wrong(name, "must be a day of this age")
    return day


def _place(entry: Entry) -> str:
    return f"{(entry.at - _EPOCH) // _MICROSECOND}~{entry.id}"


def _read_place(before: str) -> tuple[datetime, str]:
    microseconds, _, entry = before.partition("~")
    try:
        return _EPOCH + int(microseconds) * _MICROSECOND, str(UUID(entry))
    except (ValueError, OverflowError):
        raise Wrong("before", "is none of ours") from None


def entry_view(entry: Entry, head: Head, names: Mapping[str, str]) -> EntryView:
    """As a sentence, with its detail in words as far as they go. `names`: of accounts, by id."""
    when, exact = moment(entry.at, head.timezone)
    return EntryView(
        when=when,
        when_exact=exact,
        sentence=sentence(entry.actor, entry.action, entry.subject, entry.detail, names),
        actor=plain_name(entry.actor),
        action=plain_name(entry.action),
        subject=plain_name(entry.subject),
        detail=_changes(entry, head) if entry.subject == "settings" else _details(entry),
    )


def _changes(entry: Entry, head: Head) -> list[tuple[str, str]]:
    """Of thresholds, as the settings page says them."""
    changes = [
        Change(key=key, old=value["from"], new=value["to"])
        for key, value in list(entry.detail.items())[:MOST_DETAILS]
        if isinstance(value, dict) and "." in key and {"from", "to"} <= value.keys()
    ]
    return [("", change_words(change, head.style)) for change in changes]


def _details(entry: Entry) -> list[tuple[str, str]]:
    found = list(entry.detail.items())[:MOST_DETAILS]
    return [(f"{plain_name(key.replace('_', ' '))}: ", _words(value)) for key, value in found]


def _words(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"from", "to"}:
        return f"{_words(value['from'])} → {_words(value['to'])}"
    if isinstance(value, dict):
        return plain_name(
            ", ".join(f"{key} {_words(one)}" for key, one in value.items()), longest=LONGEST_DETAIL
        )
    if isinstance(value, list):
        return plain_name(", ".join(_words(one) for one in value) or "none", longest=LONGEST_DETAIL)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain_name(str(value), longest=LONGEST_DETAIL)
