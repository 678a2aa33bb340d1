"""Draft sequences: the list, and the editor with its preview, contacts, skipped ones and activity.

The form holds every step. *Add* and *Remove* bring the page back with what was typed; only *Save*
writes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import sequences as actions
from services.signals.console.http.access import NotHere
from services.signals.console.http.forms import Form, Posted, by_field, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.problems import Wrong, like
from services.signals.console.http.rendering import render
from services.signals.console.paths import account_path, sequence_path
from services.signals.console.words import REASONS
from services.signals.store import sequences
from services.signals.store.head import Head
from services.signals.store.sequences import ActivityRow, EnrolledRow, SequenceRow
from shared import clock, db, wording
from shared.domain import placeholders
from shared.domain.editing import MOST_STEPS, Typed
from shared.domain.identifiers import wrong_id
from shared.domain.letters import VARIABLES
from shared.errors import Rejected
from shared.events import Step
from shared.wording import TYPE_LETTERS, TYPE_NAMES, age, counted, plain_name, short_day

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Tab = Literal["preview", "contacts", "skipped", "activity"]

STATES = {
    "draft": "Draft",
    "launched": "Launched",
    "paused": "Paused",
    "finished": "Finished",
    "archived": "Archived",
}
MOST_PLACES = 10**7  # so far a list can be walked
LISTED = 200  # people on one page of a list
HEADINGS = ("First mail", "Follow-up", "Last word")
SKIPPED: dict[str, tuple[str, str]] = {  # reason -> heading, what can be done about it
    "no-contact": (
        "No primary contact",
        "Name one at the account, and it is in from the next draft on.",
    ),
    "no-email": ("No email", "Add an address, and the contact is in from the next draft on."),
    "unsubscribed": ("Opted out", "Their choice; cannot be undone here."),
    "bounced": ("Bounced", "Correct the address, and the contact is in from the next draft on."),
    "account-in-sequence": ("Account already in another sequence", "No one is in two at once."),
    "contact-in-sequence": ("Contact already in another sequence", "No one is in two at once."),
}
NOTHING_TO_DO = "what to do with it is none of what is offered"
TOO_MANY = f"a sequence has {MOST_STEPS} steps at most"
NEWER = (
    "somebody saved this draft while you were editing it: what you typed is below, what they "
    "saved is on the page without it"
)


@dataclass(frozen=True, kw_only=True)
class StepView:
    """One step of the form, with what is wrong with it by field."""

    number: int
    heading: str
    when: str
    subject: str
    body: str
    wait: str
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LetterView:
    """One mail as a contact gets it: pieces of text, and whether a variable was filled in there."""

    when: str
    subject: list[tuple[str, bool]]
    paragraphs: list[list[tuple[str, bool]]]


@dataclass(frozen=True, kw_only=True)
class PersonView:
    """Somebody in a sequence, or left out of it."""

    account: str
    account_path: str
    who: str
    note: str
    preview_path: str


@router.get("/o/{organization}/sequences")
def show_list(
    request: Request,
    organization: str,
    state: Annotated[str, like("drafts|archived", "is one of drafts and archived")] = "drafts",
) -> Response:
    """The newest first; archived ones apart."""
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        rows = sequences.newest(connection, organization, archived=state == "archived")
    return render(
        request,
        "sequences.html",
        visitor=who,
        organization=organization,
        head=head,
        archived=state == "archived",
        sequences=[
            {
                "path": sequence_path(organization, row.sequence),
                "letter": TYPE_LETTERS[row.signal_type],
                "type": TYPE_NAMES[row.signal_type],
                "name": row.name,
                "state": STATES[row.state],
                "enrolled": wording.count(row.enrolled),
                "skipped": wording.count(row.skipped),
                "drafted": _day(row.drafted_at, head),
                "edited": f"{age(clock.now() - row.edited_at)} ago, {row.edited_by}"
                if row.edited_at
                else "",
            }
            for row in rows
        ],
    )


@router.get("/o/{organization}/sequences/{sequence}")
def show(
    request: Request,
    organization: str,
    sequence: str,
    tab: Tab = "preview",
    contact: Annotated[int, Query(ge=0, le=MOST_PLACES)] = 0,
    first: Annotated[int, Query(ge=0, le=MOST_PLACES)] = 0,
) -> Response:
    """A draft: its steps, and beside them one of four panes. `contact` is the place of whom the
    preview is for, `first` that of whom a list begins with.
    """
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
    flash(request, answer, "Saved. Nothing is sent until the sequence is launched.")
    return answer


@router.post("/o/{organization}/sequences/{sequence}/archive")
def archive(request: Request, organization: str, sequence: str, form: Form) -> Response:
    """Put a draft away, or bring it back."""
    if wrong_id(sequence):
        raise NotHere
    do = next((move for move in actions.MOVES if move == form.get("do", "archive")), None)
    with organization_of(request, organization) as (who, connection):
        if do is None:  # who is no member learns nothing of what is offered
            raise Wrong("do", "is none of those offered")
        row = actions.move(connection, organization, sequence, do, by=who.acting_in(organization))
    answer = RedirectResponse(
        sequence_path(organization, sequence)
        if do == "restore"
        else f"/o/{organization}/sequences",
        status_code=303,
    )
    flash(request, answer, f"{actions.MOVES[do][2].capitalize()}: {row.name}.")
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


# -- what is shown ------------------------------------------------------------------------------------------------------------


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
    shown = typed if typed is not None else [_typed(step) for step in steps]
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
        drafted=_day(row.drafted_at, head),
        plan=_plan(row, steps),
        steps=step_views(shown, wrong),
        may_add=len(shown) < MOST_STEPS,
        errors=wrong,
        is_changed=is_changed,
        variables=list(VARIABLES[row.signal_type].items()),
        tab=tab,
        tabs=_tabs(row),
        preview=_preview(row, people[0], place, steps, path=path)
        if tab == "preview" and people
        else None,
        people=[
            _person(one, organization=organization, path=f"?contact={n}")
            for n, one in enumerate(people, start=first)
        ],
        skipped=_skipped(people, organization=organization) if tab == "skipped" else [],
        listed=_listed(row, tab, first, len(people), path=path),
        activity=_activity(done, row, head),
    )


def step_views(typed: Sequence[Typed], errors: dict[str, str]) -> list[StepView]:
    """Numbered from one, each with its own errors."""
    last = len(typed)
    return [
        StepView(
            number=number,
            heading=HEADINGS[0] if number == 1 else HEADINGS[2] if number == last else HEADINGS[1],
            when="on launch" if number == 1 else "if nothing came back",
            subject=step.subject,
            body=step.body,
            wait=step.wait,
            errors={
                name: errors[f"{name}-{number}"]
                for name in ("subject", "body", "wait")
                if f"{name}-{number}" in errors
            },
        )
        for number, step in enumerate(typed, start=1)
    ]


def _typed(step: Step) -> Typed:
    return Typed(subject=step.subject, body=step.text, wait=str(step.wait_days))


def _plan(row: SequenceRow, steps: Sequence[Step]) -> str:
    days = sum(step.wait_days for step in steps)
    return (
        f"{counted(row.enrolled, 'contact')}, {counted(len(steps), 'mail')} over "
        f"{counted(days, 'business day')}"
    )


def _tabs(row: SequenceRow) -> list[tuple[Tab, str, str]]:
    return [
        ("preview", "Preview", ""),
        ("contacts", "Contacts", wording.count(row.enrolled)),
        ("skipped", "Skipped", wording.count(row.skipped)),
        ("activity", "Activity", ""),
    ]


def _listed(
    row: SequenceRow, tab: Tab, first: int, shown: int, *, path: str
) -> dict[str, str] | None:
    """Which of many a list shows, and the ways to those before and behind; None where it shows all."""
    total = row.skipped if tab == "skipped" else row.enrolled
    if tab not in ("contacts", "skipped") or (first == 0 and shown == total):
        return None
    return {
        "place": f"{wording.count(first + min(1, shown))}–{wording.count(first + shown)} of "
        f"{wording.count(total)}",
        "before": f"{path}?tab={tab}&first={max(0, first - LISTED)}" if first else "",
        "after": f"{path}?tab={tab}&first={first + LISTED}" if first + shown < total else "",
    }


def _preview(
    row: SequenceRow, one: EnrolledRow, place: int, steps: Sequence[Step], *, path: str
) -> dict[str, object]:
    """The saved steps as one enrolled contact gets them."""
    values = dict.fromkeys(VARIABLES[row.signal_type], "…") | one.variables
    letters = []
    for number, step in enumerate(steps, start=1):
        when = "on launch" if number == 1 else f"{counted(step.wait_days, 'business day')} later"
        body = [
            placeholders.pieces(part.strip(), values)
            for part in step.text.split("\n\n")
            if part.strip()
        ]
        letters.append(
            LetterView(
                when=when, subject=placeholders.pieces(step.subject, values), paragraphs=body
            )
        )
    return {
        "account": plain_name(one.account_name or one.account),
        "to": one.email or "",
        "letters": letters,
        "before": f"{path}?contact={place - 1}" if place else "",
        "after": f"{path}?contact={place + 1}" if place + 1 < row.enrolled else "",
        "place": f"{wording.count(place + 1)} of {wording.count(row.enrolled)}",
    }


def _person(row: EnrolledRow, *, organization: str, path: str) -> PersonView:
    stopped = REASONS.get(row.reason or "", row.reason or "")
    return PersonView(
        account=plain_name(row.account_name or row.account),
        account_path=account_path(organization, row.account),
        who=" · ".join(filter(None, (plain_name(row.contact_name or ""), row.email or ""))),
        note=f"stopped: {stopped}" if stopped else "",
        preview_path=path,
    )


def _skipped(
    rows: Sequence[EnrolledRow], *, organization: str
) -> list[tuple[str, str, list[PersonView]]]:
    """(reason, what can be done, who) of each reason."""
    by_reason: dict[str, list[PersonView]] = {}
    for row in rows:
        by_reason.setdefault(row.reason or "", []).append(
            _person(row, organization=organization, path="")
        )
    known = [*SKIPPED, *(reason for reason in by_reason if reason not in SKIPPED)]
    return [
        (*SKIPPED.get(reason, (REASONS.get(reason, reason).capitalize(), "")), by_reason[reason])
        for reason in known
        if reason in by_reason
    ]


def _activity(
    rows: Sequence[ActivityRow], row: SequenceRow, head: Head
) -> list[tuple[str, str, str]]:
    """(what, who, when), the newest first; it ends with the draft."""
    done = [(one.action.capitalize(), one.actor, _when(one.at, head)) for one in rows]
    return [*done, ("Drafted", "with the digest", _when(row.drafted_at, head))]


def _when(at: datetime, head: Head) -> str:
    return f"{_day(at, head)}, {wording.clock_time(at, head.timezone)}"


def _day(at: datetime, head: Head) -> str:
    return short_day(
        at.astimezone(ZoneInfo(head.timezone)).date(), seen_from=clock.today(head.timezone)
    )


def _sequence(connection: db.Connection, organization: str, sequence: str) -> SequenceRow:
    row = sequences.find(connection, organization, sequence)
    if row is None:
        raise NotHere
    return row
