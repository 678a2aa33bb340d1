"""How letters leave: who hears the answers, the foot, when and how many, and in whose name."""

from datetime import date
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import launching, sending
from services.signals.console import mailing
from services.signals.console.http.access import NotHere, Visitor
from services.signals.console.http.forms import Form, Posted, by_field, flash, stored
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.words import PAUSED, moment
from services.signals.store import launching as store
from shared import clock, db
from shared.domain.sending import MOST, SendingSettings
from shared.domain.typed_numbers import NotANumber, NumberStyle, read_whole
from shared.errors import FieldError, Rejected
from shared.mail import proof_url, read_proof_token

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

# (key, what it is, its unit) of what the form holds as a whole number
NUMBERS: tuple[tuple[str, str, str], ...] = (
    ("from_hour", "From", "o'clock"),
    ("to_hour", "Until", "o'clock"),
    ("sender_daily", "One sender, a day", "letters"),
    ("sender_hourly", "One sender, an hour", "letters"),
    ("organization_daily", "All together, a day", "letters"),
    ("domain_daily", "To one mail domain, a day", "letters"),
    ("new_sender_daily", "A new sender begins with", "letters a day"),
    ("new_sender_step", "and gets more each day it sends", "letters"),
    ("gap_least_seconds", "Between two of one sender, at least", "seconds"),
    ("gap_most_seconds", "and at most", "seconds"),
)
TEXTS = ("postal_address", "country", "region")


@router.get("/o/{organization}/settings/sending")
def show(request: Request, organization: str) -> Response:
    """As it is."""
    with organization_of(request, organization) as (who, connection):
        return _page(request, connection, organization, who, None, {})


@router.post("/o/{organization}/settings/sending")
def save(request: Request, organization: str, form: Form) -> Response:
    """All of the form, or nothing of it."""
    try:
        with organization_of(request, organization) as (who, connection):
            by = who.acting_in(organization)
            head = head_of(connection, organization)
            changes = sending.save(connection, organization, _patch(form, head.style), by=by)
    except Rejected as refused:
        with organization_of(request, organization) as (who, connection):
            errors = by_field(refused)
            return _page(request, connection, organization, who, form, errors, status_code=422)
    return _back(request, organization, "Saved" if changes else "Nothing changed")


@router.post("/o/{organization}/settings/sending/prove")
def ask_for_proof(
    request: Request, organization: str, form: Form, afterwards: BackgroundTasks
) -> Response:
    """A link goes to the address of whoever asks."""
    with organization_of(request, organization) as (who, connection):
        name = head_of(connection, organization).name
    answer = _back(request, organization, f"A link is on its way to {who.email}")
    said = [
        f"Follow the link and press the button: then letters of {name} may come from {who.email}.",
        "If you did not ask for it, nothing needs to be done.",
    ]
    afterwards.add_task(
        mailing.send,
        who.email,
        "Is this address yours?",
        said,
        link=proof_url(organization, who.email),
        button="This address is mine",
    )
    answer.background = afterwards
    return answer


@router.get("/o/{organization}/settings/sending/prove/{token}")
def show_proof(request: Request, organization: str, token: str) -> Response:
    """A page with one button: scanners follow links."""
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
    if read_proof_token(token) != (organization, who.email):
        raise NotHere
    return render(request, "prove.html", visitor=who, organization=organization, head=head, path="")


@router.post("/o/{organization}/settings/sending/prove/{token}")
def prove(request: Request, organization: str, token: str, form: Form) -> Response:
    """From now on letters may bear the address."""
    with organization_of(request, organization) as (who, connection):
        if read_proof_token(token) != (organization, who.email):
            raise NotHere
        sending.prove(connection, organization, by=who.acting_in(organization))
    return _back(request, organization, f"{who.email} is yours: letters may come from there")


@router.post("/o/{organization}/settings/sending/go-on")
def go_on(request: Request, organization: str, form: Form) -> Response:
    """What a guard stopped is mended."""
    sender = stored(form.get("sender", ""))
    with organization_of(request, organization) as (who, connection):
        sending.go_on(connection, organization, sender, by=who.acting_in(organization))
    return _back(request, organization, "Letters leave again in a moment")


def _patch(form: Posted, style: NumberStyle) -> dict[str, Any]:
    """The form as JSON would have it, its numbers read as the organization writes them. Raises
    Rejected for numbers and days that are none.
    """
    wrong: list[FieldError] = []
    patch: dict[str, Any] = {key: form.get(key, "").strip() for key in TEXTS}
    # browsers send another end of line than is kept
    patch["postal_address"] = patch["postal_address"].replace("\r\n", "\n")
    patch["replies"] = form.get("replies", "")  # without it the form is cut short
    patch["every_day"] = form.get("every_day") == "on"
    patch["country"] = patch["country"].upper()
    patch["region"] = patch["region"].upper()
    for key, _, _ in NUMBERS:
        try:
            patch[key] = read_whole(form.get(key, ""), style, most=MOST)
        except NotANumber as refused:
            wrong.append(FieldError(field=key, reason=str(refused)))
    days = form.get("closing_days", "").replace(",", " ").split()
    try:
        patch["closing_days"] = sorted({date.fromisoformat(day).isoformat() for day in days})
    except ValueError:
        wrong.append(FieldError(field="closing_days", reason="must be days such as 2026-12-24"))
    if wrong:
        raise Rejected(*wrong)
    return patch


def _back(request: Request, organization: str, said: str) -> Response:
    answer = RedirectResponse(f"/o/{organization}/settings/sending", status_code=303)
    flash(request, answer, said)
    return answer


def _page(
    request: Request,
    connection: db.Connection,
    organization: str,
    who: Visitor,
    form: Posted | None,
    errors: dict[str, str],
    *,
    status_code: int = 200,
) -> Response:
    head = head_of(connection, organization)
    typed = _typed(launching.sending_settings(connection, organization))
    if form is not None:
        typed |= {key: form.get(key, "") for key in typed}
    members = store.senders(connection, organization)
    mine = next((one for one in members if one.email == who.email), None)
    return render(
        request,
        "settings_sending.html",
        status_code=status_code,
        visitor=who,
        organization=organization,
        head=head,
        tab="sending",
        may_change=who.governs(organization),
        errors=errors,
        typed=typed,
        door_line=_door_line(connection, organization, typed["replies"]),
        numbers=NUMBERS,
        domains=store.domains(connection, organization),
        senders=[
            {
                "email": one.email,
                "is_usable": one.is_usable,
                "proven": moment(one.proven_at, head.timezone)[0],
                "is_allowed": one.is_allowed,
            }
            for one in members
        ],
        i_am_proven=mine is not None and mine.proven_at is not None,
        pauses=[
            {"sender": one.sender, "why": PAUSED.get(one.why, one.why)}
            for one in store.pauses(connection, organization)
        ],
    )


def _door_line(connection: db.Connection, organization: str, replies: str) -> str:
    """Whether answers would be heard here."""
    if replies != "door":
        return ""
    trip = store.round_trip(connection, organization)
    return launching.trip_wrong(trip, at=clock.now()) or "A test mail came back: answers are heard."


def _typed(found: SendingSettings) -> dict[str, str]:
    return {
        "replies": found.replies,
        "every_day": "on" if found.every_day else "",
        "closing_days": " ".join(day.isoformat() for day in found.closing_days),
        **{key: getattr(found, key) for key in TEXTS},
        **{key: str(getattr(found, key)) for key, _, _ in NUMBERS},
    }
