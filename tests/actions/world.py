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
