"""A draft sequence: the editor with its preview, contacts, skipped ones and activity. A sequence
that was launched shows what came of it (`running`), and while it is paused the texts that went to
nobody yet can be edited here.

The form holds every step. *Add* and *Remove* bring the page back with what
was typed; only *Save* writes.
"""

import re
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import sequences as actions
from services.signals.console.http.access import NotHere
from services.signals.console.http.forms import Form, Posted, by_field, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.paths import sequence_path
from services.signals.console.sequences import running
from services.signals.console.sequences.draft_view import (
    LISTED,
    Tab,
    activity_lines,
    person_view,
    place_in_list,
    plan,
    preview,
    skipped_by_reason,
    step_views,
    tabs_of,
    typed_of,
)
from services.signals.console.sequences.listing import STATES
from services.signals.console.words import day_of
from services.signals.store import sequences
from services.signals.store.sequences import EnrolledRow, SequenceRow
from shared import db
from shared.domain.editing import MOST_STEPS, Typed
from shared.domain.identifiers import wrong_id
from shared.domain.letters import VARIABLES
from shared.errors import Rejected
from shared.wording import TYPE_LETTERS, TYPE_NAMES

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

MOST_PLACES = 10**7  # so far a list can be walked
NOTHING_TO_DO = "what to do with it is none of what is offered"
TOO_MANY = f"a sequence has {MOST_STEPS} steps at most"
NEWER = (
    "somebody saved this draft while you were editing it: what you typed is below, what they "
    "saved is on the page without it"
)


@router.get("/o/{organization}/sequences/{sequence}")
def show(
    request: Request,
    organization: str,
    sequence: str,
    tab: Tab = "preview",
    contact: Annotated[int, Query(ge=0, le=MOST_PLACES)] = 0,
    first: Annotated[int, Query(ge=0, le=MOST_PLACES)] = 0,
    texts: bool = False,
) -> Response:
    """A draft: its steps, and beside them one of four panes. `contact` is the place of whom the
    preview is for, `first` that of whom a list begins with. Of one that was launched: what came of
    it, and its texts where they are asked for.
    """
    if wrong_id(sequence):
        raise NotHere
    if not texts:
        with organization_of(request, organization) as (who, connection):
            row = _sequence(connection, organization, sequence)
            if row.launched_at is not None:
                return running.page(request, connection, organization, who, row, first=first)
    return _page(request, organization, sequence, tab=tab, contact=contact, first=first)


@router.post("/o/{organization}/sequences/{sequence}")
def edit(request: Request, organization: str, sequence: str, form: Form) -> Response:
    """Save the steps, or bring the form back with one more or one less."""
    if wrong_id(sequence):
        raise NotHere
    typed, do = read_form(form), form.get("do", "save")
    if do == "add":
        if len(typed) < MOST_STEPS:
            return _page(request, organization, sequence, typed=[*typed, Typed()], is_changed=True)
        return _page(
            request,
            organization,
            sequence,
            typed=typed,
            errors={"steps": TOO_MANY},
            is_changed=True,
        )
    if removed := re.fullmatch(r"remove-([1-9][0-9]?)", do):
        kept = [step for number, step in enumerate(typed, start=1) if number != int(removed[1])]
        return _page(request, organization, sequence, typed=kept or typed, is_changed=True)
    if do != "save":
        return _page(
            request,
            organization,
            sequence,
            typed=typed,
            errors={"steps": NOTHING_TO_DO},
            is_changed=True,
        )
    edition = form.get("edition", "")
    known = (
        int(edition) if re.fullmatch(r"[0-9]{1,9}", edition) else 0
    )  # of no edition: nothing is saved over
    try:
        with organization_of(request, organization) as (who, connection):
            by = who.acting_in(organization)
            actions.edit(connection, organization, sequence, typed, edition=known, by=by)
    except Rejected as error:
        errors = by_field(error)
        return _page(request, organization, sequence, typed=typed, errors=errors, is_changed=True)
    except actions.Newer:
        return _page(
            request, organization, sequence, typed=typed, errors={"steps": NEWER}, is_changed=True
        )
    answer = RedirectResponse(sequence_path(organization, sequence), status_code=303)
    flash(request, answer, "Saved. Nothing is sent until the sequence is launched, or resumed.")
    return answer


def read_form(form: Posted) -> list[Typed]:
    """The steps in the order of their numbers, at most one more than there may be."""
    return [
        Typed(
            subject=form.get(f"subject-{n}", ""),
            body=form.get(f"body-{n}", ""),
            wait=form.get(f"wait-{n}", "0"),
        )
        for n in range(1, MOST_STEPS + 2)
        if f"subject-{n}" in form or f"body-{n}" in form
    ]


# -- what is shown ---------------------------------------------------------------------------------


def _page(
    request: Request,
    organization: str,
    sequence: str,
    *,
    tab: Tab = "preview",
    contact: int = 0,
    first: int = 0,
    typed: Sequence[Typed] | None = None,
    errors: dict[str, str] | None = None,
    is_changed: bool = False,
) -> Response:
    if wrong_id(sequence):
        raise NotHere
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        row = _sequence(connection, organization, sequence)
        steps = sequences.steps(connection, organization, sequence)
        place = min(contact, max(0, row.enrolled - 1))
        people: list[EnrolledRow] = []
        if tab == "preview":
            people = sequences.enrolled(connection, organization, sequence, first=place, most=1)
        elif tab in ("contacts", "skipped"):
            of_skipped = tab == "skipped"
            people = sequences.enrolled(
                connection, organization, sequence, first=first, most=LISTED, skipped=of_skipped
            )
        done = sequences.activity(connection, organization, sequence) if tab == "activity" else []
        sent = (
            sequences.sent_steps(connection, organization, sequence)
            if row.state == "paused"
            else len(steps)
        )
    shown = typed if typed is not None else [typed_of(step) for step in steps]
    wrong = errors or {}
    path = sequence_path(organization, sequence)
    return render(
        request,
        "sequence.html",
        status_code=422 if wrong else 200,
        visitor=who,
        organization=organization,
        head=head,
        sequence=row,
        path=path,
        letter=TYPE_LETTERS[row.signal_type],
        type_name=TYPE_NAMES[row.signal_type],
        state=STATES[row.state],
        is_draft=row.state == "draft",
        is_edited=row.state in ("draft", "paused"),
        fixed=0 if row.state == "draft" else sent,
        may_be_brought_back=actions.may(row, "restore"),
        drafted=day_of(row.drafted_at, head.timezone),
        plan=plan(row, steps),
        steps=step_views(shown, wrong),
        may_add=len(shown) < MOST_STEPS,
        errors=wrong,
        is_changed=is_changed,
        variables=list(VARIABLES[row.signal_type].items()),
        tab=tab,
        tabs=tabs_of(row),
        preview=preview(row, people[0], place, steps, path=path)
        if tab == "preview" and people
        else None,
        people=[
            person_view(one, organization=organization, path=f"?contact={n}")
            for n, one in enumerate(people, start=first)
        ],
        skipped=skipped_by_reason(people, organization=organization) if tab == "skipped" else [],
        listed=place_in_list(row, tab, first, len(people), path=path),
        activity=activity_lines(done, row, head),
    )


def _sequence(connection: db.Connection, organization: str, sequence: str) -> SequenceRow:
    row = sequences.find(connection, organization, sequence)
    if row is None:
        raise NotHere
    return row
