"""One organization with everything that an action can be about, named alike in each."""

from dataclasses import dataclass
from datetime import UTC, datetime

from services.signals.actions.actor import Actor, Role
from services.signals.store import organizations
from shared import db
from shared.dead_letters import DeadLetter
from shared.topics import ORDERS, dead_letters_of

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ACCOUNT, CONTACT = "A-1", "C-1"
FOLLOW_UP, NOTE = "f-1", "n-1"
DRAFT, ARCHIVED = "s-draft", "s-archived"
TOKEN = "erp"
OTHER = "other@example.com"  # a member who does nothing
OWNER = "other-owner@example.com"


@dataclass(frozen=True, kw_only=True)
class World:
    """`outcome` was noted by OTHER, `view` saved by them for everybody."""

    connection: db.Connection
    organization: str
    outcome: str
    view: str
    letter: DeadLetter

    def actor(self, role: Role) -> Actor:
        """Somebody of that role; a member of the organization, but for the operator."""
        if role == "operator":
            return Actor(name="command line", role=role)
        email = f"{role}@example.com"
        organizations.set_member(self.connection, self.organization, email, role)
        return Actor(name=email, role=role)


LAUNCHABLE = """
INSERT INTO sequence_steps (organization, sequence, position, wait_days, subject, body)
VALUES (%(organization)s, %(sequence)s, 1, 0, 'Hello', 'Hello {contact_name}');
INSERT INTO sending_settings (organization, settings, saved_at, saved_by)
VALUES (%(organization)s, '{"replies": "by_hand", "postal_address": "1 Road"}', now(), 'x');
INSERT INTO sender_domains (organization, domain, allowed_at)
VALUES (%(organization)s, 'example.com', now());
INSERT INTO senders (organization, email, proven_at)
SELECT organization, email, now() FROM members WHERE organization = %(organization)s;
UPDATE contacts SET email = 'buyer@x.example' WHERE organization = %(organization)s;
INSERT INTO signals (
    organization, signal, account, type, detected_at, last_seen_at, episode, opened_on, as_of,
    settings_version, run, lifetime_revenue_cents, figures, source_offset
) VALUES (
    %(organization)s, 'sig', %(account)s, 'dormant', now(), now(), 1, now(), now(), 1, 1, 1, '{}', 1
);
INSERT INTO enrollments (
    organization, sequence, account, contact, state, enrolled_at, digest, signal_type, seen_at,
    signals, episodes
) VALUES (
    %(organization)s, %(sequence)s, %(account)s, %(contact)s, 'enrolled', now(), 'd', 'dormant',
    now(), '{sig}', '{1}'
);
"""
LAUNCHED = """
UPDATE sequences
SET state = %(state)s,
    launched_at = now(),
    sender = %(sender)s
WHERE organization = %(organization)s AND sequence = %(sequence)s;
UPDATE enrollments
SET state = %(person)s,
    reason = CASE WHEN %(person)s = 'stopped' THEN 'removed' END,
    started_at = now(),
    email = 'buyer@x.example'
WHERE organization = %(organization)s AND sequence = %(sequence)s;
"""


def launchable(world: World) -> World:
    """The draft has a letter and somebody to get it, and everything is said that a launch asks."""
    run_all(world, LAUNCHABLE)
    return world


def launched(world: World, *, state: str = "launched", person: str = "active") -> World:
    """It was launched."""
    launchable(world)
    run_all(world, LAUNCHED, state=state, person=person)
    return world


def run_all(world: World, statements: str, **more: str) -> None:
    values = {
        "organization": world.organization, "sequence": DRAFT, "account": ACCOUNT,
        "contact": CONTACT, "sender": OWNER, **more,
    }  # fmt: skip
    for statement in filter(str.strip, statements.split(";")):
        world.connection.execute(statement.encode(), values)


def furnished(connection: db.Connection, organization: str) -> World:
    world = World(
        connection=connection,
        organization=organization,
        outcome=f"{organization}-outcome",
        view=f"{organization}-view",
        letter=DeadLetter(
            place=(dead_letters_of(ORDERS.name), 0, abs(hash(organization)) % 10**15),
            topic=ORDERS.name,
            partition=3,
            offset=0,
            at=NOW.isoformat(),
            consumer="signals",
            reason="number: must be a number",
            organization=organization,
            key=None,
            value=b"{}",
            headers=[],
        ),
    )
    organizations.set_member(connection, organization, OTHER, "member")
    organizations.set_member(connection, organization, OWNER, "owner")
    for statement, values in (
        ("INSERT INTO accounts (organization, account, name) VALUES (%s, %s, 'Acme')", (ACCOUNT,)),
        (
            "INSERT INTO contacts (organization, contact, account, revision)"
            " VALUES (%s, %s, %s, 1)",
            (CONTACT, ACCOUNT),
        ),
        (
            "INSERT INTO follow_ups (organization, follow_up, account, due_on, email, created_at)"
            " VALUES (%s, %s, %s, '2026-03-02', %s, now())",
            (FOLLOW_UP, ACCOUNT, OTHER),
        ),
        (
            "INSERT INTO account_notes (organization, note, account, body, at, actor)"
            " VALUES (%s, %s, %s, 'Theirs', now(), %s)",
            (NOTE, ACCOUNT, OTHER),
        ),
        *(
            (
                "INSERT INTO sequences (organization, sequence, digest, signal_type, name, state,"
                " drafted_at) VALUES (%s, %s, 'd', %s, 'Draft', %s, %s)",
                (sequence, type_, state, NOW),
            )
            for sequence, type_, state in (
                (DRAFT, "dormant", "draft"),
                (ARCHIVED, "lapse", "archived"),
            )
        ),
        (
            "INSERT INTO tokens (organization, name, token_hash, scopes)"
            " VALUES (%s, %s, sha256(random()::text::bytea), '{orders:write}')",
            (TOKEN,),
        ),
        (
            "INSERT INTO outcomes (organization, outcome, account, kind, at, actor)"
            " VALUES (%s, %s, %s, 'reached_out', now(), %s)",
            (world.outcome, ACCOUNT, OTHER),
        ),
        (
            "INSERT INTO saved_views (organization, view, member, name, query, saved_by, saved_at)"
            " VALUES (%s, %s, '', 'Ours', '', %s, now())",
            (world.view, OTHER),
        ),
    ):
        connection.execute(statement.encode(), (organization, *values))
    return world
