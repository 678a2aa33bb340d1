"""A digest sent now by the operator: planned like one that is due, and waited for."""

import logging
import sys
import time

import msgspec
import structlog

from services.digest import handlers, store
from services.digest.handlers import Planned
from services.digest.outbox import MAILS
from shared import clock, db, kafka
from shared.errors import NotFound
from shared.event_headers import headers_of
from shared.events import DigestDue, SequencesDue
from shared.ids import derived
from shared.outbox import store as outbox_store
from shared.outbox.sender import Sender
from shared.outbox.store import MailState
from shared.settings import settings
from shared.smtp import Session, mail_server
from shared.topics import SEQUENCE_TICKS

LOOK_EVERY_SECONDS = 0.2


def send_now(
    organization: str, only_to: str | None, *, timeout_seconds: float
) -> tuple[Planned, list[MailState]]:
    """Plan the digest of the latest complete run, ask for its drafts (not `only_to`
    one address), send it.

    Raises Retryable where the mail server or Kafka is not there, NotFound where
    the organization is not.
    """
    _warnings_only()
    Session(mail_server(settings().smtp_url)).quit()  # before anything is planned
    planned = _plan(organization, only_to)
    return planned, _deliver(organization, planned.digest, timeout_seconds)


def _warnings_only() -> None:
    """Standard output is the answer's."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _plan(organization: str, only_to: str | None) -> Planned:
    now = clock.now()
    slot = derived("slot", organization, "by hand", now.isoformat())
    digest = derived("digest", organization, slot)
    with db.connect() as connection:
        run = store.latest_run(connection, organization)
        due = DigestDue(
            organization=organization,
            slot=slot,
            digest=digest,
            slot_at=now,
            run=run.number if run else None,
            why=handlers.NO_RUN,
        )
        planned = handlers.plan(connection, due, at=now, only_to=only_to)
        if planned is None:
            raise NotFound(f"no organization {organization}")
        if (
            run is not None
            and only_to is None
            and planned.edition.digest is not None
            and not planned.edition.digest.heartbeat
        ):
            _ask_for_drafts(
                SequencesDue(
                    organization=organization,
                    slot=slot,
                    digest=digest,
                    run=run.number,
                    drafted_at=now,
                )
            )
    return planned


def _ask_for_drafts(due: SequencesDue) -> None:
    """Before the digest is committed: without Kafka there is no digest that links to
    drafts that nobody makes.
    """
    publisher = kafka.Publisher()
    try:
        publisher.publish(
            SEQUENCE_TICKS.name,
            msgspec.json.encode(due),
            key=due.organization.encode(),
            partition=0,
            headers=headers_of(due, source="digest", event_id=due.digest),
        )
    finally:
        publisher.close()


def _deliver(organization: str, digest: str, timeout_seconds: float) -> list[MailState]:
    """Beside the digest service, if it runs: whoever claims a mail sends it."""
    until = time.monotonic() + timeout_seconds
    with db.pool("winback_worker") as pool:
        sender = Sender(MAILS, pool, batch=digest)
        while True:
            sender.send_due()
            with pool.connection() as connection:
                mails = outbox_store.states(connection, MAILS, organization, digest)
            if not any(mail.waits for mail in mails) or time.monotonic() > until:
                sender.close()
                return mails
            time.sleep(LOOK_EVERY_SECONDS)
