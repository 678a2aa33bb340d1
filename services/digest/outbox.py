"""The digest's outbox: what sets its mails apart from those of another service.

A digest whose answer was lost is submitted once more: twice is better than not at all.
"""

from datetime import datetime

from services.digest import mails_store, store
from shared import db, metrics
from shared.outbox.table import Claimed, Outbox


def refusal(connection: db.Connection, mail: Claimed) -> str | None:
    """Who has unsubscribed gets nothing, however late it comes."""
    return store.suppression(connection, str(mail.key["organization"]), mail.email)


def remember_success(mail: Claimed, at: datetime) -> None:
    """When an organization's newest digest was taken."""
    metrics.DIGEST_LAST_SUCCESS.labels(mail.key["organization"]).set(at.timestamp())


MAILS = Outbox(
    name="digest",
    table="digest_mails",
    key=("organization", "digest", "email"),
    most_ambiguous=2,
    guard=refusal,
    withdraw=mails_store.suppress,
    sent=remember_success,
    due_at=mails_store.SLOT_AT,
)


def tidy(connection: db.Connection, now: datetime) -> None:
    """Forget old mails; a process that started anew learns when the last ones left."""
    mails_store.forget(connection, now=now)
    for organization, at in mails_store.last_sent(connection).items():
        metrics.DIGEST_LAST_SUCCESS.labels(organization).set(at.timestamp())
