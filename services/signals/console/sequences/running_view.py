"""A running sequence in words: what became of each step and of each person, and why not yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.signals.console.paths import account_path
from services.signals.console.words import PAUSED, REASONS, STOPPED, day_of
from services.signals.store.head import Head
from services.signals.store.launching import PauseRow
from services.signals.store.sequence_people import FunnelRow, HappenedRow, PersonRow, ReplyRow
from services.signals.store.sequences import ActivityRow, SequenceRow
from shared import wording
from shared.domain.enrollment_states import FOR_GOOD
from shared.domain.sequence_states import Move
from shared.events import Step
from shared.wording import counted, exact_time, plain_name

MOVES: tuple[tuple[Move, str], ...] = (
    ("take_back", "Take back"),
    ("pause", "Pause"),
    ("resume", "Resume"),
    ("archive", "Archive"),
)


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """A row of the funnel. width_…: percent of the people, for the drawing."""

    number: int
    name: str
    when: str
    due: str
    sent: str
    replied: str
    ordered: str
    undeliverable: str
    opted_out: str
    median: str
    width_due: int
    width_sent: int


@dataclass(frozen=True, kw_only=True)
class PersonView:
    """One person: the word for their state, what is behind it, and what can be done."""

    account: str
    account_path: str
    key: tuple[str, str]
    owner: str
    who: str
    state: str
    look: str
    what: str
    buttons: Sequence[tuple[str, str]]
    next: str


def told(row: SequenceRow, head: Head) -> str:
    """Launched Mon 23 Nov 09:12 by rs to 10 contacts."""
    if row.launched_at is None:
        return ""
    at = _when(row.launched_at, head)
    return f"Launched {at} by {row.launched_by} to {counted(row.enrolled, 'contact')}."


def funnel(rows: Sequence[FunnelRow], steps: Sequence[Step], *, people: int) -> list[StepRow]:
    """A row a step, as wide as it reaches."""
    return [
        StepRow(
            number=row.step,
            name="First mail" if row.step == 1 else plain_name(step.subject) or "In the thread",
            when="on launch"
            if row.step == 1
            else f"{counted(max(1, step.wait_days), 'business day')} later",
            due=wording.count(row.due),
            sent=wording.count(row.sent),
            replied=wording.count(row.replied),
            ordered=wording.count(row.ordered),
            undeliverable=wording.count(row.undeliverable),
            opted_out=wording.count(row.opted_out),
            median="–" if row.median_days is None else f"{row.median_days:.1f}",
            width_due=_percent(row.due, people),
            width_sent=_percent(row.sent, people),
        )
        for row, step in zip(rows, steps, strict=True)
    ]


def people_line(row: SequenceRow) -> str:
    """2 your turn · 3 waiting · 5 through or stopped."""
    waiting = row.is_open - row.asked_about
    said = [
        (row.asked_about, "your turn"),
        (waiting, "waiting"),
        (row.enrolled - row.is_open, "stopped or through"),
    ]
    return " · ".join(f"{number} {words}" for number, words in said if number)


def person(
    one: PersonRow, row: SequenceRow, head: Head, *, organization: str, now: datetime
) -> PersonView:
    """What can be said and done about one of them."""
    state, look, what = _standing(one, row, head)
    name = plain_name(one.account_name or one.account)
    return PersonView(
        account=name,
        account_path=account_path(organization, one.account),
        key=(one.account, one.contact),
        owner=plain_name(one.owner or ""),
        who=" · ".join(filter(None, (plain_name(one.contact_name or ""), one.email))),
        state=state,
        look=look,
        what=what,
        buttons=_buttons(one, row),
        next=_next(one, row, head, now=now),
    )


def replies(
    heard: Sequence[ReplyRow], said: Sequence[PersonRow], head: Head, *, organization: str
) -> list[dict[str, str]]:
    """What came by the door, with its first words; of others that a rep said one came."""
    known = {(one.account, one.contact) for one in heard}
    return [
        {
            "account": plain_name(one.account_name or one.account),
            "path": account_path(organization, one.account),
            "when": _when(one.received_at, head),
            "said": f"{plain_name(one.sender)}: “{plain_name(one.said, longest=500)}”",
        }
        for one in heard
    ] + [
        reply(one, head, organization=organization)
        for one in said
        if (one.account, one.contact) not in known
    ]


def reply(one: PersonRow, head: Head, *, organization: str) -> dict[str, str]:
    """That an answer came; what it says is with the rep."""
    return {
        "account": plain_name(one.account_name or one.account),
        "path": account_path(organization, one.account),
        "when": _when(one.stopped_at, head) if one.stopped_at else "",
        "said": f"To letter {one.sent}; {one.sender or 'the rep'} has it. "
        "The sequence stopped for them.",
    }


def activity(
    happened: Sequence[HappenedRow], done: Sequence[ActivityRow], head: Head
) -> list[tuple[str, str, str, str]]:
    """(look, what, when, exactly when), the newest first: people and letters, and what people
    did.
    """
    lines: list[tuple[datetime, str, str]] = []
    for row in happened:
        name = plain_name(row.account_name or row.account)
        if row.what == "sent":
            lines.append((row.at, "", f"Letter {row.step} to {name}"))
        elif row.what == "asked":
            lines.append((row.at, "o", f"Asked about {name}: no answer yet?"))
        elif row.reason == "reordered":
            lines.append((row.at, "r", f"{name} ordered; the rest was dropped"))
        else:
            words = STOPPED.get(row.reason or "", row.reason or "")
            lines.append((row.at, "", f"{name}: {words}"))
    lines += [(row.at, "", f"{row.action.capitalize()}, {row.actor}") for row in done]
    return [
        (look, what, _when(at, head), exact_time(at, head.timezone))
        for at, look, what in sorted(lines, key=lambda line: line[0], reverse=True)
    ]


def pauses(rows: Sequence[PauseRow]) -> list[str]:
    """What guards stopped."""
    return [
        f"Letters{f' of {row.sender}' if row.sender else ''} are paused: "
        f"{PAUSED.get(row.why, row.why)}."
        for row in rows
    ]


# -- one person ------------------------------------------------------------------------------------


def _standing(one: PersonRow, row: SequenceRow, head: Head) -> tuple[str, str, str]:
    """(the word, its look, what is behind it)."""
    last = f"Letter {one.sent} left {_when(one.last_sent_at, head)}." if one.last_sent_at else ""
    if one.state == "task":
        return "your turn", "op", f"{last} No answer yet? Letter {one.next_step} waits for you."
    if one.state == "held":
        return "held", "", f"{_why_held(one)} {last}".strip()
    if one.state == "active":
        return _writing(one, row, last)
    if one.state == "enrolled":
        return "enrolled", "", "The launch is under way."
    if one.state == "finished":
        return "finished", "", f"{last} No answer came."
    if one.reason == "reordered":
        order = f"{one.erp_order}. " if one.erp_order else ""
        rest = "Other signals of the account are still silent." if one.of_type else ""
        return "ordered", "re", f"{order}{last} {rest}".strip()
    words = {"bounced": "undeliverable", "opted_out": "opted out", "replied": "replied"}
    short = words.get(one.reason or "", "stopped")
    why = STOPPED.get(one.reason or "", REASONS.get(one.reason or "", one.reason or ""))
    answer = ""
    if one.reason in ("bounced", "refused", "unsure") and one.mail_answer:
        answer = f" “{plain_name(one.mail_answer)}”"
    return short, "co" if one.reason == "replied" else "", f"{why.capitalize()}.{answer} {last}"


def _writing(one: PersonRow, row: SequenceRow, last: str) -> tuple[str, str, str]:
    number = one.next_step
    if one.mail in ("queued", "retry", "sending"):
        why = f" The server said: {plain_name(one.mail_answer)}" if one.mail_answer else ""
        return "sending", "", f"Letter {number} is on its way.{why} {last}".strip()
    if row.state == "paused":
        return "waiting", "", f"The sequence is paused. {last}".strip()
    said = _why_not(one)
    return ("waiting" if one.sent == 0 else f"sent {one.sent}"), "", f"{said} {last}".strip()


def _why_not(one: PersonRow) -> str:
    """Why the next letter does not leave yet."""
    waits = one.waits or {}
    number, used, of = one.next_step, waits.get("used"), waits.get("of")
    sender = str(waits.get("sender") or one.sender or "").partition("@")[0]
    match waits.get("why"):
        case "sender_daily":
            return f"Letter {number} waits: {sender}@ has sent {used} of {of} in 24 hours."
        case "sender_hourly":
            return f"Letter {number} waits: {sender}@ has sent {used} of {of} in an hour."
        case "organization_daily":
            return f"Letter {number} waits: {used} of {of} letters left in 24 hours."
        case "domain_daily":
            return f"Letter {number} waits: {used} of {of} went to their domain in 24 hours."
        case "gap":
            return f"Letter {number} waits a moment: {sender}@ has just sent one."
        case "hours":
            return f"Letter {number} waits for working hours."
        case "paused":
            return f"Letter {number} waits: {PAUSED.get(str(of), str(of))}."
        case "text":
            return f"Letter {number} cannot be written: {of}."
    return f"Letter {number} is planned." if one.sent == 0 else f"Letter {number} is due then."


def _why_held(one: PersonRow) -> str:
    waits = one.waits or {}
    if waits.get("why") == "ours":
        return f"Their server refused us: “{plain_name(str(waits.get('answer', '')))}”."
    return "An automatic answer came: they are away."


def _buttons(one: PersonRow, row: SequenceRow) -> list[tuple[str, str]]:
    if row.state not in ("launched", "paused"):
        return []
    if one.state == "task":
        return [
            ("no_answer", "No answer"),
            ("replied", "They answered"),
            ("reached_out", "Reached out"),
        ]
    if one.state in ("active", "held"):
        return [("remove", "Remove")]
    if one.state == "stopped" and one.reason == "unsure":
        return [("go_on", "Go on"), ("send_again", "Send again")]
    if one.state in ("stopped", "finished") and one.reason not in FOR_GOOD and one.of_type:
        return [("resume", "Resume for the rest" if one.reason == "reordered" else "Resume")]
    return []


def _next(one: PersonRow, row: SequenceRow, head: Head, *, now: datetime) -> str:
    if one.state == "task":
        return "now"
    if one.state not in ("active", "held") or one.next_at is None or row.state != "launched":
        return ""
    if one.next_at <= now:
        return "now"
    at = one.next_at.astimezone(ZoneInfo(head.timezone))
    same_day = at.date() == now.astimezone(ZoneInfo(head.timezone)).date()
    clock_time = wording.clock_time(one.next_at, head.timezone)
    day = "today" if same_day else day_of(one.next_at, head.timezone)
    return f"{day} {clock_time}"


def _when(at: datetime, head: Head) -> str:
    return f"{day_of(at, head.timezone)}, {wording.clock_time(at, head.timezone)}"


def _percent(number: int, of: int) -> int:
    return min(100, round(100 * number / of)) if of else 0
