"""The laws that hold whoever asks, page, command line or another program: who may do what, and that
the audit log says who did.

Every action of services/signals/actions is in ACTIONS; a new one that is not fails here.
"""

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import get_args

import pytest

from services.signals import actions as package
from services.signals.actions import (
    contacts,
    digest,
    enrollment,
    follow_ups,
    health,
    members,
    outcomes,
    owner_people,
    runs,
    saved_views,
    sending,
    sequences,
    settings,
    tenants,
    tokens,
)
from services.signals.actions.actor import Actor, Forbidden, Role
from services.signals.actions.outcomes import Wish
from services.signals.store import recipients
from services.signals.store.contacts import Person
from shared import clock, db
from shared.domain.editing import Typed
from shared.errors import Rejected
from tests.actions import world as w
from tests.actions.world import World, furnished
from tests.signals.builders import rows

EVERYBODY: frozenset[Role] = frozenset(get_args(Role))
MEMBERS = EVERYBODY - {"operator"}
GOVERNING = EVERYBODY - {"member"}
MAKING_OWNERS: frozenset[Role] = frozenset({"operator", "owner"})
OPERATOR: frozenset[Role] = frozenset({"operator"})
NOTED = """
SELECT actor, action, subject
FROM audit_log
WHERE organization = %s
  AND (action, subject) <> ('created', 'organization')
ORDER BY at, id
"""
CREATED = NOTED.replace("<>", "=")


@dataclass(frozen=True, kw_only=True)
class Action:
    """What is done, who may, and what the audit log says of it; None: the log goes with it."""

    do: Callable[[World, Actor], object]
    may: frozenset[Role]
    noted: tuple[str, str] | None


def organization_of(world: World) -> tuple[db.Connection, str]:
    return world.connection, world.organization


ACTIONS: dict[str, Action] = {
    "owner_people.set_person": Action(
        do=lambda at, by: owner_people.set_person(
            *organization_of(at), "dk", name="Dana King", email=w.OTHER, by=by
        ),
        may=GOVERNING,
        noted=("mapped", "owner dk"),
    ),
    "follow_ups.finish": Action(
        do=lambda at, by: follow_ups.finish(*organization_of(at), w.FOLLOW_UP, by=by, at=w.NOW),
        may=EVERYBODY,
        noted=("did follow-up", f"account {w.ACCOUNT}"),
    ),
    "follow_ups.move": Action(
        do=lambda at, by: follow_ups.move(
            *organization_of(at), w.FOLLOW_UP, "2026-03-09", today=w.NOW.date(), by=by
        ),
        may=EVERYBODY,
        noted=("moved follow-up", f"account {w.ACCOUNT}"),
    ),
    "follow_ups.write_note": Action(
        do=lambda at, by: follow_ups.write_note(
            *organization_of(at), w.ACCOUNT, "n-new", "They move in March.", by=by, at=w.NOW
        ),
        may=EVERYBODY,
        noted=("wrote note", f"account {w.ACCOUNT}"),
    ),
    "follow_ups.delete_note": Action(
        do=lambda at, by: follow_ups.delete_note(*organization_of(at), w.NOTE, by=by),
        may=GOVERNING,
        noted=("deleted note", f"account {w.ACCOUNT}"),
    ),
    "contacts.add": Action(
        do=lambda at, by: contacts.add(
            *organization_of(at), w.ACCOUNT, "new", Person(name="Ana"), is_primary=False, by=by
        ),
        may=EVERYBODY,
        noted=("added contact", f"account {w.ACCOUNT}"),
    ),
    "contacts.change": Action(
        do=lambda at, by: contacts.change(
            *organization_of(at),
            w.ACCOUNT,
            w.CONTACT,
            Person(name="Ana"),
            seen=contacts.edition(Person()),
            is_primary=False,
            by=by,
        ),
        may=EVERYBODY,
        noted=("changed contact", f"account {w.ACCOUNT}"),
    ),
    "members.invite": Action(
        do=lambda at, by: members.invite(
            *organization_of(at), f"new@{at.organization}.example", "admin", by=by, with_digest=True
        ),
        may=GOVERNING,
        noted=("invited", "member new@"),
    ),
    "members.invite an owner": Action(
        do=lambda at, by: members.invite(
            *organization_of(at),
            f"new@{at.organization}.example",
            "owner",
            by=by,
            with_digest=False,
        ),
        may=MAKING_OWNERS,
        noted=("invited", "member new@"),
    ),
    "members.withdraw": Action(
        do=lambda at, by: withdraw(at, by), may=GOVERNING, noted=("withdrew", "member new@example")
    ),
    "members.add somebody new": Action(
        do=lambda at, by: members.add(
            *organization_of(at), "new@example.com", "member", by=by, with_digest=True
        ),
        may=OPERATOR,
        noted=("added", "member new@example.com"),
    ),
    "members.add": Action(
        do=lambda at, by: members.add(
            *organization_of(at), w.OTHER, "admin", by=by, with_digest=False
        ),
        may=GOVERNING,
        noted=("changed role", f"member {w.OTHER}"),
    ),
    "members.change_role": Action(
        do=lambda at, by: members.change_role(*organization_of(at), w.OTHER, "admin", by=by),
        may=GOVERNING,
        noted=("changed role", f"member {w.OTHER}"),
    ),
    "members.change_role to owner": Action(
        do=lambda at, by: members.change_role(*organization_of(at), w.OTHER, "owner", by=by),
        may=MAKING_OWNERS,
        noted=("changed role", f"member {w.OTHER}"),
    ),
    "members.remove": Action(
        do=lambda at, by: members.remove(*organization_of(at), w.OTHER, by=by),
        may=GOVERNING,
        noted=("removed", f"member {w.OTHER}"),
    ),
    "tokens.create": Action(
        do=lambda at, by: tokens.create(
            *organization_of(at), name="new", scopes=["orders:write"], by=by
        ),
        may=GOVERNING,
        noted=("created", "token new"),
    ),
    "tokens.rotate": Action(
        do=lambda at, by: tokens.rotate(*organization_of(at), w.TOKEN, by=by),
        may=GOVERNING,
        noted=("rotated", f"token {w.TOKEN}"),
    ),
    "tokens.revoke": Action(
        do=lambda at, by: tokens.revoke(*organization_of(at), w.TOKEN, by=by),
        may=GOVERNING,
        noted=("revoked", f"token {w.TOKEN}"),
    ),
    "settings.save": Action(
        do=lambda at, by: settings.save(*organization_of(at), {"dormant": {"gap_days": 60}}, by=by),
        may=GOVERNING,
        noted=("changed", "settings"),
    ),
    "settings.save unchanged, with a run": Action(
        do=lambda at, by: settings.save(*organization_of(at), {}, by=by, run=True),
        may=GOVERNING,
        noted=("asked for", "run 1"),
    ),
    "runs.ask": Action(
        do=lambda at, by: runs.ask(*organization_of(at), as_of=date(2026, 3, 2), by=by),
        may=GOVERNING,
        noted=("asked for", "run 1"),
    ),
    "health.note_audit": Action(
        do=lambda at, by: health.note_audit(
            *organization_of(at), run=1, active=0, differences=[], by=by
        ),
        may=GOVERNING,
        noted=("audited", "signals"),
    ),
    "health.replay": Action(
        do=lambda at, by: health.replay(*organization_of(at), at.letter, by=by),
        may=GOVERNING,
        noted=("replayed", "dead letter"),
    ),
    "tenants.create_organization": Action(
        do=lambda at, by: tenants.create_organization(
            at.connection,
            f"{at.organization}-new",
            name="New",
            currency="USD",
            timezone="UTC",
            with_schedules=True,
            by=by,
        ),
        may=OPERATOR,
        noted=("created", "organization"),
    ),
    "tenants.set_locale": Action(
        do=lambda at, by: tenants.set_locale(*organization_of(at), "de_DE", by=by),
        may=GOVERNING,
        noted=("changed", "organization"),
    ),
    "tenants.delete_organization": Action(
        do=lambda at, by: tenants.delete_organization(*organization_of(at), by=by),
        may=OPERATOR,
        noted=None,
    ),
    "contacts.erase": Action(
        do=lambda at, by: contacts.erase(*organization_of(at), w.CONTACT, by=by),
        may=OPERATOR,
        noted=("erased", "contact"),
    ),
    "contacts.choose_primary": Action(
        do=lambda at, by: contacts.choose_primary(
            *organization_of(at), w.ACCOUNT, w.CONTACT, by=by
        ),
        may=EVERYBODY,
        noted=("primary contact", f"account {w.ACCOUNT}"),
    ),
    "enrollment.pin": Action(
        do=lambda at, by: enrollment.pin(*organization_of(at), w.ACCOUNT, "no", by=by),
        may=EVERYBODY,
        noted=("enrollment", f"account {w.ACCOUNT}"),
    ),
    "outcomes.act": Action(
        do=lambda at, by: outcomes.act(
            *organization_of(at),
            Wish(outcome="o-new", account=w.ACCOUNT, kind="lost", reason="price"),
            by=by,
            at=clock.now(),
        ),
        may=EVERYBODY,
        noted=("lost", f"account {w.ACCOUNT}"),
    ),
    "outcomes.undo somebody else's": Action(
        do=lambda at, by: outcomes.undo(*organization_of(at), at.outcome, by=by, at=clock.now()),
        may=GOVERNING,
        noted=("undid reached out", f"account {w.ACCOUNT}"),
    ),
    "saved_views.save for everybody": Action(
        do=lambda at, by: saved_views.save(
            *organization_of(at), name="New", query="", for_everybody=True, by=by
        ),
        may=EVERYBODY,
        noted=("saved", "view New"),
    ),
    "saved_views.delete somebody else's": Action(
        do=lambda at, by: saved_views.delete(*organization_of(at), at.view, by=by),
        may=GOVERNING,
        noted=("deleted", "view Ours"),
    ),
    "sequences.edit": Action(
        do=lambda at, by: sequences.edit(
            *organization_of(at), w.DRAFT, [Typed(subject="Hello", body="We miss you.")],
            edition=1, by=by,
        ),
        may=EVERYBODY,
        noted=("edited", f"sequence {w.DRAFT}"),
    ),
    "sequences.move to the archive": Action(
        do=lambda at, by: sequences.move(*organization_of(at), w.DRAFT, "archive", by=by),
        may=EVERYBODY,
        noted=("archived", f"sequence {w.DRAFT}"),
    ),
    "sequences.move back": Action(
        do=lambda at, by: sequences.move(*organization_of(at), w.ARCHIVED, "restore", by=by),
        may=EVERYBODY,
        noted=("brought back", f"sequence {w.ARCHIVED}"),
    ),
    "sequences.launch": Action(
        do=lambda at, by: sequences.launch(
            w.launchable(at).connection, at.organization, w.DRAFT, by=by, sender=w.OWNER
        ),
        may=EVERYBODY,
        noted=("launched", f"sequence {w.DRAFT}"),
    ),
    "sequences.move to a pause": Action(
        do=lambda at, by: sequences.move(
            w.launched(at).connection, at.organization, w.DRAFT, "pause", by=by
        ),
        may=EVERYBODY,
        noted=("paused", f"sequence {w.DRAFT}"),
    ),
    "sequences.move to a draft again": Action(
        do=lambda at, by: sequences.move(
            w.launched(at).connection, at.organization, w.DRAFT, "take_back", by=by
        ),
        may=EVERYBODY,
        noted=("taken back", f"sequence {w.DRAFT}"),
    ),
    "sequences.resume": Action(
        do=lambda at, by: sequences.resume(
            w.launched(at, state="paused").connection, at.organization, w.DRAFT, by=by
        ),
        may=EVERYBODY,
        noted=("resumed", f"sequence {w.DRAFT}"),
    ),
    "sequences.remove": Action(
        do=lambda at, by: sequences.remove(
            w.launched(at).connection, at.organization, w.DRAFT, w.ACCOUNT, w.CONTACT, by=by
        ),
        may=EVERYBODY,
        noted=("removed", f"sequence {w.DRAFT}"),
    ),
    "sequences.resume_person": Action(
        do=lambda at, by: sequences.resume_person(
            w.launched(at, person="stopped").connection, at.organization, w.DRAFT, w.ACCOUNT,
            w.CONTACT, "resume", by=by,
        ),
        may=EVERYBODY,
        noted=("resumed (resume)", f"sequence {w.DRAFT}"),
    ),
    "sequences.answer_task": Action(
        do=lambda at, by: sequences.answer_task(
            w.launched(at, person="task").connection, at.organization, w.DRAFT, w.ACCOUNT,
            w.CONTACT, "no_answer", by=by,
        ),
        may=EVERYBODY,
        noted=("no answer", f"sequence {w.DRAFT}"),
    ),
    "sending.save": Action(
        do=lambda at, by: sending.save(*organization_of(at), {"replies": "by_hand"}, by=by),
        may=GOVERNING,
        noted=("changed", "sending"),
    ),
    "sending.allow_domain": Action(
        do=lambda at, by: sending.allow_domain(*organization_of(at), "x.example", by=by),
        may=OPERATOR,
        noted=("allowed", "letters from x.example"),
    ),
    "sending.disallow_domain": Action(
        do=lambda at, by: sending.disallow_domain(
            w.launchable(at).connection, at.organization, "example.com", by=by
        ),
        may=OPERATOR,
        noted=("disallowed", "letters from example.com"),
    ),
    "sending.vouch": Action(
        do=lambda at, by: sending.vouch(*organization_of(at), w.OTHER, by=by),
        may=OPERATOR,
        noted=("proved", f"address {w.OTHER}"),
    ),
    "sending.prove": Action(
        do=lambda at, by: sending.prove(*organization_of(at), by=by),
        may=MEMBERS,
        noted=("proved", "address"),
    ),
    "sending.go_on": Action(
        do=lambda at, by: go_on(at, by),
        may=GOVERNING,
        noted=("resumed", "letters"),
    ),
    "sending.opt_out": Action(
        do=lambda at, by: sending.opt_out(*organization_of(at), "buyer@x.example", by=by),
        may=EVERYBODY,
        noted=("opted out", "address buyer@x.example"),
    ),
    "digest.set_recipients": Action(
        do=lambda at, by: digest.set_recipients(*organization_of(at), [w.OTHER], by=by),
        may=EVERYBODY,
        noted=("changed", "digest recipients"),
    ),
    "digest.add_recipient": Action(
        do=lambda at, by: digest.add_recipient(*organization_of(at), w.OTHER, by=by),
        may=EVERYBODY,
        noted=("changed", "digest recipients"),
    ),
    "digest.set_schedule": Action(
        do=lambda at, by: digest.set_schedule(
            *organization_of(at), frequency="daily", hour="7", weekday="0", by=by
        ),
        may=EVERYBODY,
        noted=("changed", "digest schedule"),
    ),
    "digest.ask_for_one": Action(
        do=lambda at, by: digest.ask_for_one(*organization_of(at), by=by),
        may=MEMBERS,
        noted=("asked for", "digest test"),
    ),
    "digest.unsubscribe": Action(
        do=lambda at, by: digest.unsubscribe(*organization_of(at), by=by),
        may=MEMBERS,
        noted=("unsubscribed", "member"),
    ),
    "digest.set_own_only": Action(
        do=lambda at, by: own_only(at, by),
        may=MEMBERS,
        noted=("changed", "digest of"),
    ),
    "digest.want_mail_again": Action(
        do=lambda at, by: want_mail_again(at, by),
        may=MEMBERS,
        noted=("subscribed again", "member"),
    ),
}  # fmt: skip


def own_only(at: World, by: Actor) -> None:
    if by.role != "operator":
        recipients.add(*organization_of(at), by.name, added_by="test")
    digest.set_own_only(*organization_of(at), own_only=True, by=by)


def withdraw(at: World, by: Actor) -> None:
    at.connection.execute(
        "INSERT INTO invitations VALUES"
        " (%s, 'new@example.com', 'member', true, 'x', now(), now() + interval '1 day', 'x')",
        (at.organization,),
    )
    members.withdraw(*organization_of(at), "new@example.com", by=by)


def want_mail_again(at: World, by: Actor) -> None:
    at.connection.execute(
        "INSERT INTO suppressions (organization, email, reason, at)"
        " VALUES (%s, %s, 'unsubscribed', now())",
        (at.organization, by.name),
    )
    digest.want_mail_again(*organization_of(at), by=by)


def go_on(at: World, by: Actor) -> None:
    at.connection.execute(
        "INSERT INTO sending_pauses (organization, sender, why, at) VALUES (%s, '', 'ours', now())",
        (at.organization,),
    )
    sending.go_on(*organization_of(at), "", by=by)


def those_of(may: Callable[[Action, Role], bool]) -> list[tuple[str, Role]]:
    return [
        (name, role)
        for name, action in ACTIONS.items()
        for role in get_args(Role)
        if may(action, role)
    ]


@pytest.fixture
def world(connection: db.Connection, tenant: str) -> World:
    return furnished(connection, tenant)


@pytest.mark.parametrize(
    ("name", "role"), those_of(lambda action, role: role in action.may and action.noted is not None)
)
def test_who_may_does_it_and_the_audit_log_says_who_it_was(
    world: World, name: str, role: Role
) -> None:
    action, by = ACTIONS[name], world.actor(role)
    with world.connection.transaction():
        action.do(world, by)
    organization = world.organization
    query = NOTED
    if name == "tenants.create_organization":
        organization, query = f"{organization}-new", CREATED
    assert action.noted is not None
    ((actor, done, subject),) = rows(world.connection, query, organization)
    assert (actor, done) == (by.name, action.noted[0]) and subject.startswith(action.noted[1])


@pytest.mark.parametrize(("name", "role"), those_of(lambda action, role: role not in action.may))
def test_who_may_not_is_refused_and_leaves_nothing(world: World, name: str, role: Role) -> None:
    by = world.actor(role)
    with pytest.raises((Forbidden, Rejected)), world.connection.transaction():
        ACTIONS[name].do(world, by)
    assert rows(world.connection, NOTED, world.organization) == []


def test_a_deleted_organization_takes_its_log_along(world: World) -> None:
    with world.connection.transaction():
        tenants.delete_organization(*organization_of(world), by=world.actor("operator"))
    assert rows(world.connection, NOTED, world.organization) == []


def test_every_action_is_held_to_the_laws() -> None:
    """An action is a public function that takes `by` by its name."""
    found = set()
    for module in pkgutil.iter_modules(package.__path__):
        loaded = import_module(f"{package.__name__}.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            by = inspect.signature(function).parameters.get("by")
            if (
                by is not None
                and by.kind is by.KEYWORD_ONLY
                and not name.startswith("_")
                and function.__module__ == loaded.__name__
            ):
                found.add(f"{module.name}.{name}")
    assert {name.split()[0] for name in ACTIONS} == found
