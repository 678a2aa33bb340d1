"""An organization keeps an owner, whoever removes members and by which door."""

import pytest

from services.signals.actions import members, sign_in
from services.signals.actions.actor import COMMAND_LINE, Actor
from services.signals.store import organizations
from shared import db
from shared.errors import NotFound, Rejected

ANA = Actor(name="ana@example.com", role="owner")


@pytest.mark.parametrize("by", [ANA, COMMAND_LINE])
def test_the_last_owner_is_neither_removed_nor_made_less(
    connection: db.Connection, tenant: str, by: Actor
) -> None:
    organizations.set_member(connection, tenant, ANA.name, "owner")
    organizations.set_member(connection, tenant, "bo@example.com", "admin")
    for undo_owner in (
        lambda: members.remove(connection, tenant, ANA.name, by=by),
        lambda: members.change_role(connection, tenant, ANA.name, "admin", by=by),
        lambda: members.add(connection, tenant, ANA.name, "member", by=by, with_digest=True),
    ):
        with pytest.raises(Rejected, match="is the last owner") as refused:
            undo_owner()
        assert [error.field for error in refused.value.errors] == ["role"]
    assert members.roles(connection, tenant)[ANA.name] == "owner"


def test_with_another_owner_one_may_go(connection: db.Connection, tenant: str) -> None:
    organizations.set_member(connection, tenant, ANA.name, "owner")
    organizations.set_member(connection, tenant, "bo@example.com", "owner")
    members.remove(connection, tenant, ANA.name, by=COMMAND_LINE)
    assert members.roles(connection, tenant) == {"bo@example.com": "owner"}
    with pytest.raises(NotFound):
        members.remove(connection, tenant, ANA.name, by=COMMAND_LINE)


@pytest.mark.parametrize(
    "typed",
    [
        "\u212aim@example.com",  # the Kelvin sign: small, it is a k
        "kim@ban\u212a.example",
        "kım@example.com",
        "\u017fam@example.com",  # the long s
        "ｋim@example.com",
        "İ@example.com",
    ],
)
def test_an_address_in_letters_that_look_like_ascii_is_nobody_s(
    connection: db.Connection, tenant: str, typed: str
) -> None:
    organizations.set_member(connection, tenant, "kim@example.com", "member")
    before = members.roles(connection, tenant)
    with pytest.raises(Rejected, match="other letters than a mail address"):
        members.add(connection, tenant, typed, "owner", by=COMMAND_LINE, with_digest=False)
    with pytest.raises(Rejected, match="other letters than a mail address"):
        sign_in.make_link(connection, typed, "")
    assert members.roles(connection, tenant) == before


def test_capital_letters_are_the_same_address(connection: db.Connection, tenant: str) -> None:
    added = members.add(
        connection, tenant, " KIM@Example.com ", "member", by=COMMAND_LINE, with_digest=False
    )
    assert added == "kim@example.com"


@pytest.mark.parametrize("email", ["josé@m.example", "ana@m..example", "ana@[127.0.0.1]", "ana@"])
def test_a_member_needs_an_address_that_our_sender_takes(email: str) -> None:
    with pytest.raises(Rejected) as caught:
        members.checked_email(email)
    assert [error.field for error in caught.value.errors] == ["email"]


@pytest.mark.parametrize("email", ["ana@m.example.", "ANA@M.EXAMPLE", " ana@m.example "])
def test_a_member_has_one_spelling(email: str) -> None:
    assert members.checked_email(email) == "ana@m.example"
