"""Who is written to: a sequence's people at its launch, or one who goes on after a stop. Each is
tested again, and what fills the text is read anew.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
import structlog

from services.sequences import flow_store as store
from services.sequences import stories, telling
from services.sequences.accounts_store import Candidate, Grounds
from services.sequences.days import Days
from services.sequences.flow_store import Person, Running, Start
from shared import db, metrics
from shared.domain import business_days, drafts
from shared.domain.drafts import Skipped, SkipReason
from shared.domain.enrollment import Inclusion, inclusion
from shared.domain.thresholds import DEFAULTS, DetectionSettings
from shared.errors import Rejected
from shared.events import Step
from shared.mail import checked_address

log = structlog.get_logger()

LEFT_OUT: dict[Inclusion, SkipReason] = {
    "pinned_out": "pinned",
    "lost": "lost",
    "paused": "paused",
}


def launch(connection: db.Connection, organization: str, sequence: str, *, at: datetime) -> None:
    """Everybody who is enrolled is written to, or skipped with the reason."""
    store.lock(connection, organization)
    found = store.running(connection, organization, sequence)
    if found is None or found.state != "launched":
        return  # taken back, or put away, before this was heard
    people = store.starting(connection, organization, sequence, states=("enrolled",), at=at)
    steps = store.steps(connection, organization, sequence)
    taken: set[str] = set()
    writable: list[Candidate] = []
    for one in people:
        skipped = reason_to_skip(one, at=at, taken=taken)
        if skipped is None:
            taken.add((one.addressee.email or "").lower())
            writable.append(one)
        else:
            person = _person(organization, sequence, one)
            store.skip(connection, person, skipped.reason, at=at)
            metrics.ENROLLMENTS_SKIPPED.labels(skipped.reason).inc()
    days = Days(connection, organization, found.timezone)
    started = 0
    for start in _starts(connection, organization, sequence, found, writable, steps, days, at=at):
        started += _start(connection, start, states=("enrolled",), at=at)
    log.info(
        "launched",
        organization=organization,
        sequence=sequence,
        started=started,
        skipped=len(people) - started,
    )


def resume(connection: db.Connection, person: Person, *, at: datetime) -> bool:
    """Somebody who was stopped, or is through, is written to again, about what is still so. False:
    the same tests say no.
    """
    store.lock(connection, person.organization)
    found = store.running(connection, person.organization, person.sequence)
    if found is None or found.state not in ("launched", "paused"):
        return False
    states = ("stopped", "finished")
    people = store.starting(
        connection, person.organization, person.sequence, states=states, at=at, person=person
    )
    if not people or reason_to_skip(people[0], at=at, taken=set()) is not None:
        return False
    steps = store.steps(connection, person.organization, person.sequence)
    days = Days(connection, person.organization, found.timezone)
    starts = _starts(
        connection, person.organization, person.sequence, found, people, steps, days, at=at
    )
    return all([_start(connection, start, states=states, at=at) for start in starts])


def reason_to_skip(one: Candidate, *, at: datetime, taken: set[str]) -> Skipped | None:
    """What is asked before anybody is written to. taken: addresses of this very launch."""
    left_out = LEFT_OUT.get(
        inclusion(
            enrollment=one.enrollment, lost_at=one.lost_at, paused_until=one.paused_until, at=at
        )
    )
    if left_out is not None:
        return Skipped(reason=left_out)
    skipped = drafts.skip(one.addressee)
    if skipped is not None:
        return skipped
    try:
        email = checked_address(one.addressee.email or "")
    except Rejected:
        return Skipped(reason="no-email")
    if not one.named:
        return Skipped(reason="signal-over")
    return Skipped(reason="contact-in-sequence") if email.lower() in taken else None


def _starts(
    connection: db.Connection,
    organization: str,
    sequence: str,
    found: Running,
    people: Sequence[Candidate],
    steps: Sequence[Step],
    days: Days,
    *,
    at: datetime,
) -> Iterator[Start]:
    settings = DEFAULTS
    if found.settings is not None:
        settings = msgspec.convert(found.settings, DetectionSettings)
    calendar = days.calendar(at)
    grounds = Grounds(
        organization=organization,
        organization_name=found.organization_name,
        on=calendar.local_day(at),
        as_of=found.as_of or calendar.local_day(at),
        settings=settings,
    )
    usable = store.usable_senders(connection, organization)
    people_of = store.owners(connection, organization)
    texts = [text for step in steps for text in (step.subject, step.text)]
    for one, variables in stories.told(connection, grounds, people):
        person = _person(organization, sequence, one)
        names = [named.signal for named in one.named]
        named = drafts.named_signals(one.signal_type, names, one.lapsed, texts)
        owner = people_of.get(one.owner or "", (one.owner or "").strip().lower())
        yield Start(
            person=person,
            email=checked_address(one.addressee.email or ""),
            sender=owner if owner in usable else (found.sender or ""),
            named=[each for each in one.named if each.signal in named],
            value_cents=one.value_cents,
            variables=variables | {"confirmed": found.confirmed},
            next_at=business_days.first_at(
                days.calendar(at, zone=one.zone, country=one.country),
                at,
                least=days.settings.first_after_least_seconds,
                most=days.settings.first_after_most_seconds,
                seed=f"{sequence} {one.account}",
            ),
        )


def _start(connection: db.Connection, start: Start, *, states: Sequence[str], at: datetime) -> bool:
    if not store.start(connection, start, states=states, at=at):
        return False
    signals = tuple(one.signal for one in start.named)
    telling.started(connection, start.person, signals, at=at)
    return True


def _person(organization: str, sequence: str, one: Candidate) -> Person:
    return Person(
        organization=organization,
        sequence=sequence,
        account=one.account,
        contact=one.addressee.contact or "",
    )
