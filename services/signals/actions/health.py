"""What people who look after an organization's health do: have the signals audited, put a dead
letter back. For owners and admins.
"""

from collections.abc import Sequence

from services.signals.actions.actor import Actor, must_govern, note
from shared import db
from shared.dead_letters import PUTS_BACK, DeadLetter, PutBack, put_back
from shared.kafka import Publisher

DIFFERENCES_KEPT = 20
REASON_KEPT = 500  # characters of a dead letter's reason


def note_audit(
    connection: db.Connection,
    organization: str,
    *,
    run: int | None,
    active: int,
    differences: Sequence[str],
    by: Actor,
) -> None:
    """That the signals were held against the second opinion, and what it said. Raises Forbidden."""
    must_govern(by)
    detail = {
        "run": run,
        "active": active,
        "differences": len(differences),
        "first": list(differences[:DIFFERENCES_KEPT]),
    }
    note(connection, organization, by, "audited", "signals", detail)


def replay(
    connection: db.Connection, organization: str, letter: DeadLetter, *, by: Actor
) -> PutBack:
    """Put one of the organization's dead letters back where it came from, once; `connection` is in
    the transaction that says so. Raises Forbidden, Rejected, Retryable.
    """
    must_govern(by)
    publisher = Publisher(extra=PUTS_BACK)
    try:
        done = put_back(connection, publisher, letter)
    finally:
        publisher.close()
    if done.status == "replayed":
        detail = {"to": done.to, "reason": letter.reason[:REASON_KEPT]}
        note(connection, organization, by, "replayed", f"dead letter {letter.id}", detail)
    return done
