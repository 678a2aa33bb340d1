"""What a due digest leads to: its row and one mail a recipient, in the transaction that moves the
tick's position.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from services.digest import shown, store
from services.digest.edition import Edition, edit
from services.digest.facts import Facts, Purchase, Recipient
from services.digest.frame import Occasion
from services.digest.outbox import MAILS
from shared import clock, db, mail, request_ids, tracing
from shared.domain.cadence import next_firing
from shared.domain.digest import SECTION_TYPES
from shared.errors import Rejected
from shared.events import DigestDue, SignalType
from shared.ids import derived
from shared.outbox import store as outbox_store
from shared.records import Record
from shared.settings import settings

log = structlog.get_logger()

NO_RUN = "No run is complete"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A digest that is in the outbox now."""

    digest: str
    edition: Edition
    recipients: int


def plan_due_digests(connection: db.Connection, records: Sequence[Record]) -> None:
    """Each tick once: a digest that is there already is passed by."""
    for record in records:
        if record.event is not None:
            with tracing.of(record), request_ids.within(*request_ids.of(record)):
                plan(connection, record.event, at=clock.now(), only_to=record.event.only_to)


def plan(
    connection: db.Connection, due: DigestDue, *, at: datetime, only_to: str | None = None
) -> Planned | None:
    """Put a digest into the outbox, for all or for the one who asked. None: no such organization,
    or it is there already.
    """
    if store.is_planned(connection, due.organization, due.slot):
        log.info("digest is planned already", organization=due.organization, digest=due.digest)
        return None
    facts = store.facts(connection, due.organization, run=due.run, at=at)
    if facts is None:
        log.info(
            "digest of an organization that is gone",
            organization=due.organization,
            digest=due.digest,
        )
        return None
    drafts = {} if only_to else drafts_of(due.organization, due.digest)
    next_at = due.next_at or next_digest_at(facts, after=at)
    why = due.why or NO_RUN
    when = replace(occasion(at, next_at, drafts), digest=due.digest)
    edition = edition_of(connection, facts, when, why=why)
    if not store.insert_digest(
        connection, _digest_row(due, edition, at=at, private=only_to is not None)
    ):
        log.info("digest is planned already", organization=due.organization, digest=due.digest)
        return None
    to = (
        store.recipients(connection, due.organization)
        if only_to is None
        else [_by_hand(connection, due.organization, only_to)]
    )
    editions: dict[tuple[str, ...] | None, Edition] = {None: edition}
    for one in to:
        if one.owners not in editions and one.owners is not None:
            own = facts.of_owners(one.owners)
            editions[one.owners] = edition_of(connection, own, replace(when, own=True), why=why)
    mails = [_mail_row(due, facts, editions[one.owners], one, at=at) for one in to]
    outbox_store.plan(connection, MAILS, mails)
    log.info(
        "digest planned",
        organization=due.organization,
        digest=due.digest,
        run=due.run,
        recipients=len(to),
    )
    return Planned(digest=due.digest, edition=edition, recipients=len(to))


def edition_of(connection: db.Connection, facts: Facts, occasion: Occasion, *, why: str) -> Edition:
    """The digest and its mail."""

    def purchases(accounts: Sequence[str]) -> Mapping[str, Purchase]:
        assert facts.run is not None
        return store.last_purchases(
            connection, facts.organization.organization, facts.run, accounts
        )

    return edit(facts, occasion, why=why, purchases=purchases)


def occasion(at: datetime, next_at: datetime | None, drafts: Mapping[SignalType, str]) -> Occasion:
    """With what the settings say of a silent feed."""
    return Occasion(
        at=at,
        next_at=next_at,
        stale_after=timedelta(hours=settings().stale_feed_hours),
        drafts=drafts,
    )


def next_digest_at(facts: Facts, *, after: datetime) -> datetime | None:
    """None without a schedule."""
    return next_firing(facts.schedule, after) if facts.schedule else None


def drafts_of(organization: str, digest: str) -> dict[SignalType, str]:
    """The sequences that are drafted for a digest: their ids derive from it."""
    return {type_: derived("sequence", organization, digest, type_) for type_ in SECTION_TYPES}


def _by_hand(connection: db.Connection, organization: str, email: str) -> Recipient:
    return Recipient(
        email=email,
        why="Sent to you by hand",
        refused=store.suppression(connection, organization, email),
    )


def _digest_row(
    due: DigestDue, edition: Edition, *, at: datetime, private: bool
) -> dict[str, object]:
    digest, rendered = edition.digest, edition.rendered
    return {
        "organization": due.organization,
        "digest": due.digest,
        "slot": due.slot,
        "slot_at": due.slot_at,
        "run": due.run,
        "heartbeat": digest is None or digest.heartbeat,
        "recoverable_revenue_cents": 0 if digest is None else digest.recoverable_revenue_cents,
        "shown": shown.no_digest_json(due.why or NO_RUN)
        if digest is None
        else shown.kept_json(digest),
        "subject": rendered.subject,
        "html": rendered.html,
        "body": rendered.text,
        "created_at": at,
        "private": private,
    }


def _mail_row(
    due: DigestDue, facts: Facts, edition: Edition, recipient: Recipient, *, at: datetime
) -> dict[str, object]:
    sender = mail.own_mailbox(facts.organization.name)
    message_id = f"{derived('mail', due.organization, due.digest, recipient.email)}@{sender.domain}"
    row = {
        "organization": due.organization,
        "digest": due.digest,
        "email": recipient.email,
        "message_id": message_id,
        "message": b"",
        "state": "suppressed",
        "at": at,
        "answer": recipient.refused,
    }
    if recipient.refused:
        return row
    try:
        to = mail.checked_address(recipient.email)
    except Rejected as error:
        return row | {"state": "bounced", "answer": str(error)}
    own = edition.rendered.personal(
        why=recipient.why, unsubscribe_url=mail.unsubscribe_url(due.organization, recipient.email)
    )
    message = mail.message(
        sender=sender,
        to=to,
        subject=own.subject,
        message_id=message_id,
        at=due.slot_at,
        text=own.text,
        html=own.html,
        headers={
            "Auto-Submitted": "auto-generated",
            **mail.unsubscribe_headers(due.organization, recipient.email),
            **tracing.mail_headers(),
            **request_ids.mail_headers(),
        },
    )
    return row | {"state": "queued", "message": message, "answer": None}
