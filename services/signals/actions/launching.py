"""What a launch asks before anything is sent: from whose address, to whom, what the letters say,
and who hears the answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from services.signals.store import launching, sequences
from services.signals.store.launching import AddresseeRow, RoundTripRow, SenderRow
from services.signals.store.sequences import SequenceRow
from shared import db
from shared.domain import drafts, placeholders
from shared.domain.drafts import Addressee, SkipReason
from shared.domain.enrollment import inclusion
from shared.domain.letters import VARIABLES
from shared.domain.sending import DEFAULTS, SendingSettings
from shared.errors import Rejected
from shared.events import Step
from shared.mail import checked_address
from shared.settings import settings
from shared.wording import counted, plain_name

OLD_AFTER = timedelta(days=14)
TRIP_HOLDS = timedelta(days=7)  # outreach.md 3
MOST_LINKS = 2
MOST_NAMED = 3
_LINK = re.compile(r"https?://([^\s/<>\"']+)", re.IGNORECASE)
_ANSWERS = re.compile(r"\s*(re|fwd?|aw|wg)\s*:", re.IGNORECASE)
SHORTENERS = frozenset(
    {"bit.ly", "buff.ly", "cutt.ly", "goo.gl", "is.gd", "ow.ly", "rebrand.ly", "t.co", "t.ly"}
    | {"tiny.cc", "tinyurl.com"}
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question of the launch. blocks: without it nothing is sent. says: how it stands, and what
    to do where it is not right.
    """

    name: str
    is_right: bool
    blocks: bool
    says: str


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """All questions, who would be written to, and who would be left out and why."""

    checks: Sequence[Check]
    goes: Sequence[AddresseeRow]
    skipped: Sequence[tuple[AddresseeRow, SkipReason]]
    settings: SendingSettings

    @property
    def wrong(self) -> list[Check]:
        """What keeps it from being launched."""
        return [check for check in self.checks if check.blocks and not check.is_right]


def sending_settings(connection: db.Connection, organization: str) -> SendingSettings:
    """How the organization sends."""
    found = launching.settings(connection, organization)
    return DEFAULTS if found is None else msgspec.convert(found, SendingSettings)


def readiness(
    connection: db.Connection,
    organization: str,
    row: SequenceRow,
    *,
    sender: str | None,
    at: datetime,
) -> Readiness:
    """As of now; the worker asks again when it launches."""
    people = launching.addressees(connection, organization, row.sequence)
    steps = sequences.steps(connection, organization, row.sequence)
    sending = sending_settings(connection, organization)
    goes: list[AddresseeRow] = []
    skipped: list[tuple[AddresseeRow, SkipReason]] = []
    taken: set[str] = set()
    for one in people:
        reason = reason_to_skip(one, at=at, taken=taken)
        if reason is None:
            goes.append(one)
            taken.add((one.email or "").strip().lower())
        else:
            skipped.append((one, reason))
    checks = [
        _replies(sending, launching.round_trip(connection, organization), at=at),
        _senders(
            goes,
            launching.senders(connection, organization),
            launching.owners(connection, organization),
            sender,
        ),
        _texts(row, steps, goes),
        _foot(sending),
        _contacts(goes, skipped),
        _age(row, at),
        _address(),
        _links(steps),
        _pace(goes, sending),
    ]
    return Readiness(checks=checks, goes=goes, skipped=skipped, settings=sending)


def reason_to_skip(one: AddresseeRow, *, at: datetime, taken: set[str]) -> SkipReason | None:
    """As the worker asks it."""
    included = inclusion(
        enrollment=one.enrollment, lost_at=one.lost_at, paused_until=one.paused_until, at=at
    )
    left_out: dict[str, SkipReason] = {
        "pinned_out": "pinned",
        "lost": "lost",
        "paused": "paused",
    }
    if included in left_out:
        return left_out[included]
    skipped = drafts.skip(
        Addressee(
            contact=one.contact or None,
            email=one.email,
            suppressed=one.suppressed,
            account_in_sequence=one.account_in_sequence,
            contact_in_sequence=one.contact_in_sequence,
        )
    )
    if skipped is not None:
        return skipped.reason
    try:
        email = checked_address(one.email or "")
    except Rejected:
        return "no-email"
    if one.of_type == 0:
        return "signal-over"
    return "contact-in-sequence" if email.lower() in taken else None


# -- the questions ---------------------------------------------------------------------------------


def _replies(sending: SendingSettings, trip: RoundTripRow | None, *, at: datetime) -> Check:
    if sending.replies == "door":
        wrong = trip_wrong(trip, at=at)
        return Check(
            name="replies",
            is_right=not wrong,
            blocks=True,
            says=wrong or "Answers reach the rep and Winback: a test mail came back.",
        )
    is_right = sending.replies != "unset"
    return Check(
        name="replies",
        is_right=is_right,
        blocks=True,
        says="Answers reach the rep alone, who says before each follow-up whether one came."
        if is_right
        else "Nobody has said who hears the answers: an owner or admin chooses it under Settings, "
        "Sending.",
    )


def trip_wrong(trip: RoundTripRow | None, *, at: datetime) -> str:
    """Why answers would not be heard by the door; empty where the last test came back in time."""
    if not settings().replies_domain:
        return "No answers come here: the operator has set no WINBACK_REPLIES_DOMAIN."
    if trip is None:
        return (
            "A test mail will show that answers are heard: it leaves within seconds, once a "
            "member's address may be used."
        )
    if trip.returned_at is None:
        return "The test mail is on its way, or lost: answers may not be heard."
    if trip.wrong is not None:
        return f"The test mail came back changed: {trip.wrong}."
    return "" if at - trip.returned_at < TRIP_HOLDS else "The last test mail is a week old."


def _senders(
    goes: Sequence[AddresseeRow],
    members: Sequence[SenderRow],
    owners: dict[str, str],
    sender: str | None,
) -> Check:
    """An account's owner writes, where it is known which member that is; else who launches."""
    by_email = {member.email.lower(): member for member in members}
    used: set[str] = set()
    for one in goes:
        owner = owners.get(one.owner or "", (one.owner or "").strip().lower())
        used.add(owner if owner in by_email else (sender or "").lower())
    wrong = []
    for email in sorted(used):
        member = by_email.get(email)
        if member is None:
            wrong.append(
                f"{email} is no member" if email else "nobody is named whose address letters bear"
            )
        elif member.proven_at is None:
            wrong.append(f"{email} has not shown that the address is theirs")
        elif not member.is_allowed:
            wrong.append(f"the operator has not allowed letters from @{email.partition('@')[2]}")
    said = ", ".join(sorted(used)) or "nobody"
    return Check(
        name="sender",
        is_right=not wrong,
        blocks=True,
        says=f"Letters come from {said}." if not wrong else f"{_listed(wrong)}: Settings, Sending.",
    )


def _texts(row: SequenceRow, steps: Sequence[Step], goes: Sequence[AddresseeRow]) -> Check:
    wrong = []
    for number, step in enumerate(steps, start=1):
        for part, text in (("subject", step.subject), ("message", step.text)):
            try:
                placeholders.check(text, VARIABLES[row.signal_type])
            except Rejected as error:
                wrong.append(f"step {number}, {part}: {error.errors[0].reason}")
        if number == 1 and _ANSWERS.match(step.subject):
            wrong.append("step 1: its subject looks like an answer to something")
        empty = [
            plain_name(one.account_name or one.account)
            for one in goes
            if any(
                not one.variables.get(name, "").strip()
                for name in placeholders.variables_in(step.subject)
            )
        ]
        if empty:
            wrong.append(f"step {number}: its subject has a gap for {_listed(empty)}")
    if not steps:
        wrong.append("there is no letter in it")
    return Check(
        name="letters",
        is_right=not wrong,
        blocks=True,
        says=f"{counted(len(steps), 'letter')}, complete for each contact."
        if not wrong
        else f"{_listed(wrong)}.",
    )


def _foot(sending: SendingSettings) -> Check:
    is_right = bool(sending.postal_address.strip())
    return Check(
        name="address",
        is_right=is_right,
        blocks=True,
        says="Each letter ends with a way out and your postal address."
        if is_right
        else "Your postal address stands at the foot of each letter, and is not set: Settings, "
        "Sending.",
    )


def _contacts(
    goes: Sequence[AddresseeRow], skipped: Sequence[tuple[AddresseeRow, SkipReason]]
) -> Check:
    return Check(
        name="contacts",
        is_right=bool(goes),
        blocks=True,
        says=f"{counted(len(goes), 'contact')} to write to, {len(skipped)} left out."
        if goes
        else "Nobody is left to write to.",
    )


def _age(row: SequenceRow, at: datetime) -> Check:
    days = (at - row.drafted_at).days
    return Check(
        name="age",
        is_right=at - row.drafted_at <= OLD_AFTER,
        blocks=False,
        says=f"The draft is {counted(days, 'day')} old; a newer digest has newer figures."
        if at - row.drafted_at > OLD_AFTER
        else "The draft is fresh.",
    )


def _address() -> Check:
    is_https = urlsplit(settings().base_url).scheme == "https"
    return Check(
        name="https",
        is_right=is_https,
        blocks=False,
        says="Mail programs can offer to unsubscribe in one click."
        if is_https
        else "The console is not reached by https: mail programs cannot offer to unsubscribe in "
        "one click. The way out in the letter works.",
    )


def _links(steps: Sequence[Step]) -> Check:
    hosts = [[host.lower() for host in _LINK.findall(step.text)] for step in steps]
    many = [number for number, found in enumerate(hosts, start=1) if len(found) > MOST_LINKS]
    short = {host for found in hosts for host in found if host in SHORTENERS}
    said = [f"step {number} has more than {MOST_LINKS} links" for number in many]
    said += [f"{host} hides where a link goes" for host in sorted(short)]
    return Check(
        name="links",
        is_right=not said,
        blocks=False,
        says=f"{_listed(said)}: servers take that for advertising." if said else "Few links.",
    )


def _pace(goes: Sequence[AddresseeRow], sending: SendingSettings) -> Check:
    a_day = min(sending.organization_daily, sending.sender_daily)
    days = -(-len(goes) // max(1, a_day))
    return Check(
        name="pace",
        is_right=days <= 1,
        blocks=False,
        says="The first letters leave within a business day."
        if days <= 1
        else f"With {a_day} letters a day the first takes {days} business days to reach all.",
    )


def _listed(said: Sequence[str]) -> str:
    shown = "; ".join(said[:MOST_NAMED])
    more = len(said) - MOST_NAMED
    text = f"{shown}; and {more} more" if more > 0 else shown
    return text[:1].upper() + text[1:]
