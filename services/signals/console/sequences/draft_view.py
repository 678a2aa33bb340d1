"""A sequence as the editor shows it: its steps, a contact's preview, who is in, who is not."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from services.signals.console.paths import account_path
from services.signals.console.words import REASONS, day_of
from services.signals.store.head import Head
from services.signals.store.sequences import ActivityRow, EnrolledRow, SequenceRow
from shared import wording
from shared.domain import placeholders
from shared.domain.editing import Typed
from shared.domain.letters import VARIABLES
from shared.events import Step
from shared.wording import counted, plain_name

Tab = Literal["preview", "contacts", "skipped", "activity"]
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
    "opted_out": ("Opted out", "Their choice; cannot be undone here."),
    "complained": ("Complained", "Their choice; cannot be undone here."),
    "undeliverable": (
        "Undeliverable",
        "Correct the address, and the contact is in from the next draft on.",
    ),
    "by_hand": ("Refused by hand", "The address is on your list of refused ones."),
    "imported": ("On an imported list", "The address is on your list of refused ones."),
    "pinned": ("Enrollment No", "Somebody pinned the account out."),
    "lost": ("Lost", "Somebody said so of the account."),
    "paused": ("Somebody talks to them", "Reached out or won back, a moment ago."),
    "signal-over": ("Not true any more", "The signal is over: they ordered, or it was corrected."),
}


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


def typed_of(step: Step) -> Typed:
    """As the form has it."""
    return Typed(subject=step.subject, body=step.text, wait=str(step.wait_days))


def plan(row: SequenceRow, steps: Sequence[Step]) -> str:
    """3 contacts, 3 mails over 9 business days."""
    days = sum(step.wait_days for step in steps)
    return (
        f"{counted(row.enrolled, 'contact')}, {counted(len(steps), 'mail')} over "
        f"{counted(days, 'business day')}"
    )


def tabs_of(row: SequenceRow) -> list[tuple[Tab, str, str]]:
    """(tab, its name, how many) of each pane."""
    return [
        ("preview", "Preview", ""),
        ("contacts", "Contacts", wording.count(row.enrolled)),
        ("skipped", "Skipped", wording.count(row.skipped)),
        ("activity", "Activity", ""),
    ]


def place_in_list(
    row: SequenceRow, tab: Tab, first: int, shown: int, *, path: str
) -> dict[str, str] | None:
    """Which of many a list shows, and the ways to those on either side; None where it shows all."""
    total = row.skipped if tab == "skipped" else row.enrolled
    if tab not in ("contacts", "skipped") or (first == 0 and shown == total):
        return None
    return {
        "place": f"{wording.count(first + min(1, shown))}–{wording.count(first + shown)} of "
        f"{wording.count(total)}",
        "before": f"{path}?tab={tab}&first={max(0, first - LISTED)}" if first else "",
        "after": f"{path}?tab={tab}&first={first + LISTED}" if first + shown < total else "",
    }


def preview(
    row: SequenceRow, one: EnrolledRow, place: int, steps: Sequence[Step], *, path: str
) -> dict[str, object]:
    """The saved steps as one enrolled contact gets them."""
    values = dict.fromkeys(VARIABLES[row.signal_type], "…") | one.variables
    letters = []
    for number, step in enumerate(steps, start=1):
        when = "on launch" if number == 1 else f"{counted(step.wait_days, 'business day')} later"
        parts = [
            placeholders.pieces(part.strip(), values)
            for part in step.text.split("\n\n")
            if part.strip()
        ]
        body = [part for part in parts if any(text.strip() for text, _ in part)]
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


def person_view(row: EnrolledRow, *, organization: str, path: str) -> PersonView:
    """`path`: of the preview for them; nothing where there is none."""
    stopped = REASONS.get(row.reason or "", row.reason or "")
    return PersonView(
        account=plain_name(row.account_name or row.account),
        account_path=account_path(organization, row.account),
        who=" · ".join(filter(None, (plain_name(row.contact_name or ""), row.email or ""))),
        note=f"stopped: {stopped}" if stopped else "",
        preview_path=path,
    )


def skipped_by_reason(
    rows: Sequence[EnrolledRow], *, organization: str
) -> list[tuple[str, str, list[PersonView]]]:
    """(reason, what can be done, who) of each reason."""
    by_reason: dict[str, list[PersonView]] = {}
    for row in rows:
        by_reason.setdefault(row.reason or "", []).append(
            person_view(row, organization=organization, path="")
        )
    known = [*SKIPPED, *(reason for reason in by_reason if reason not in SKIPPED)]
    return [
        (*SKIPPED.get(reason, (REASONS.get(reason, reason).capitalize(), "")), by_reason[reason])
        for reason in known
        if reason in by_reason
    ]


def activity_lines(
    rows: Sequence[ActivityRow], row: SequenceRow, head: Head
) -> list[tuple[str, str, str]]:
    """(what, who, when), the newest first; it ends with the draft."""
    done = [(one.action.capitalize(), one.actor, _when(one.at, head)) for one in rows]
    return [*done, ("Drafted", "with the digest", _when(row.drafted_at, head))]


def _when(at: datetime, head: Head) -> str:
    return f"{day_of(at, head.timezone)}, {wording.clock_time(at, head.timezone)}"
