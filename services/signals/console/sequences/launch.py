"""Launching a draft: what is asked first, who is written to, who is not; then what moves a sequence
from one state to another.
"""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import sequences as actions
from services.signals.actions.actor import Actor
from services.signals.actions.launching import Readiness
from services.signals.actions.sequences import OutOfTurn
from services.signals.console.http.access import NotHere
from services.signals.console.http.forms import Form, Posted, by_field, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.problems import Wrong
from services.signals.console.http.rendering import render
from services.signals.console.paths import account_path, sequence_path
from services.signals.console.words import REASONS
from services.signals.store import sequences
from services.signals.store.sequences import SequenceRow
from shared import db
from shared.domain.editing import LONGEST_CONFIRMED
from shared.domain.identifiers import wrong_id
from shared.domain.sequence_states import DONE, needs_approval
from shared.errors import Rejected
from shared.wording import TYPE_LETTERS, TYPE_NAMES, counted, plain_name

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

LISTED = 200


@router.get("/o/{organization}/sequences/{sequence}/launch")
def show(request: Request, organization: str, sequence: str) -> Response:
    """The checks, with a button where all of them say yes."""
    return _page(request, organization, sequence)


@router.post("/o/{organization}/sequences/{sequence}/launch")
def launch(request: Request, organization: str, sequence: str, form: Form) -> Response:
    """Launch it, or ask those who may."""
    if wrong_id(sequence):
        raise NotHere
    try:
        with organization_of(request, organization) as (who, connection):
            by = who.acting_in(organization)
            said = form.get("confirmed", "")
            done = actions.launch(connection, organization, sequence, by=by, confirmed=said)
    except Rejected as refused:
        return _page(request, organization, sequence, form=form, errors=by_field(refused))
    answer = RedirectResponse(sequence_path(organization, sequence), status_code=303)
    said = (
        f"Asked: an owner or admin launches it to {counted(done.contacts, 'contact')}."
        if done.asked
        else f"Launched to {counted(done.contacts, 'contact')}. It can be taken back for a moment."
    )
    flash(request, answer, said)
    return answer


@router.post("/o/{organization}/sequences/{sequence}/move")
def move(request: Request, organization: str, sequence: str, form: Form) -> Response:
    """Pause it, resume it, put it away, bring it back, or take its launch back."""
    if wrong_id(sequence):
        raise NotHere
    asked = form.get("do", "")
    with organization_of(request, organization) as (who, connection):
        by = who.acting_in(organization)  # who is no member learns nothing of what is offered
        if asked == "resume":
            row = actions.resume(connection, organization, sequence, by=by)
            done = DONE["resume"]
        else:
            known = next((one for one in actions.SIMPLE if one == asked), None)
            if known is None:
                raise Wrong("do", "is none of those offered")
            row = actions.move(connection, organization, sequence, known, by=by)
            done = DONE[known]
    to_list = asked == "archive" and row.state == "draft"
    answer = RedirectResponse(
        f"/o/{organization}/sequences" if to_list else sequence_path(organization, sequence),
        status_code=303,
    )
    flash(request, answer, f"{done.capitalize()}: {row.name}.")
    return answer


@router.post("/o/{organization}/sequences/{sequence}/people")
def people(request: Request, organization: str, sequence: str, form: Form) -> Response:
    """About one person in it: out, on again, or what the rep found."""
    account, contact, do = form.get("account", ""), form.get("contact", ""), form.get("do", "")
    with organization_of(request, organization) as (who, connection):
        if wrong_id(sequence) or wrong_id(account) or (contact and wrong_id(contact)):
            raise NotHere
        by = who.acting_in(organization)
        said = _person(connection, organization, sequence, account, contact, do, by)
    path = sequence_path(organization, sequence)
    answer = RedirectResponse(f"{path}#people", status_code=303)
    flash(request, answer, said)
    return answer


def _person(
    connection: db.Connection,
    organization: str,
    sequence: str,
    account: str,
    contact: str,
    do: str,
    by: Actor,
) -> str:
    who = (connection, organization, sequence, account, contact)
    if do == "remove":
        actions.remove(*who, by=by)
        return f"Nothing more goes to {account} from this sequence."
    how = next((one for one in actions.HOW if one == do), None)
    if how is not None:
        actions.resume_person(*who, how, by=by)
        return f"{account} goes on, after the tests of the launch."
    result = next((one for one in actions.RESULTS if one == do), None)
    if result is None:
        raise Wrong("do", "is none of those offered")
    actions.answer_task(*who, result, by=by)
    return f"Noted for {account}."


def _page(
    request: Request,
    organization: str,
    sequence: str,
    *,
    form: Posted | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    if wrong_id(sequence):
        raise NotHere
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        row = sequences.find(connection, organization, sequence)
        if row is None:
            raise NotHere
        if row.state != "draft":
            raise OutOfTurn(f"only drafts are launched, and this sequence is {row.state}")
        by = who.acting_in(organization)
        sender = row.sender or who.email
        ready = actions.readiness(connection, organization, row, sender=sender)
    return render(
        request,
        "sequence_launch.html",
        status_code=200 if errors is None else 422,
        visitor=who,
        organization=organization,
        head=head,
        sequence=row,
        path=sequence_path(organization, sequence),
        letter=TYPE_LETTERS[row.signal_type],
        type_name=TYPE_NAMES[row.signal_type],
        is_ready=not ready.wrong,
        is_refused=errors is not None,
        confirmed=row.confirmed if form is None else form.get("confirmed", ""),
        confirmed_error=(errors or {}).get("confirmed", ""),
        longest_confirmed=LONGEST_CONFIRMED,
        button=_button(ready, row, governs=by.governs),
        checks=[
            {
                "says": check.says,
                "mark": "right" if check.is_right else "wrong" if check.blocks else "note",
            }
            for check in ready.checks
        ],
        **_people(ready, organization),
    )


def _button(ready: Readiness, row: SequenceRow, *, governs: bool) -> str:
    contacts = counted(len(ready.goes), "contact")
    if needs_approval(contacts=len(ready.goes), governs=governs):
        return "" if row.asked_by else f"Ask to launch to {contacts}"
    return f"Launch to {contacts}"


def _people(ready: Readiness, organization: str) -> dict[str, object]:
    return {
        "goes": [
            {
                "account": plain_name(one.account_name or one.account),
                "path": account_path(organization, one.account),
                "who": " · ".join(filter(None, (plain_name(one.contact_name or ""), one.email))),
            }
            for one in ready.goes[:LISTED]
        ],
        "more": max(0, len(ready.goes) - LISTED),
        "skipped": [
            {
                "account": plain_name(one.account_name or one.account),
                "path": account_path(organization, one.account),
                "why": REASONS.get(reason, reason),
            }
            for one, reason in ready.skipped[:LISTED]
        ],
    }
