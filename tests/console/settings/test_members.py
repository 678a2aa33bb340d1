"""Members: who may invite, change and remove whom; an owner always stays."""

import re
from urllib.parse import urlsplit

import pytest

from services.signals.actions import sign_in
from shared import db
from tests.console.conftest import Browser, MakeBrowser, text_of
from tests.eventually import eventually
from tests.signals.builders import rows
from tests.signals.conftest import make_tenant
from tests.stack_fixtures import Mailbox

NOTED = (
    "SELECT actor, action, subject, detail FROM audit_log WHERE organization = %s AND action "
    "<> 'created' ORDER BY at, id"
)
ROLES = "SELECT email, role FROM members WHERE organization = %s"


def roles(connection: db.Connection, organization: str) -> dict[str, str]:
    return {str(email): str(role) for email, role in rows(connection, ROLES, organization)}


def test_who_is_invited_is_asked_by_mail_and_is_a_member_when_they_accept(
    browser: MakeBrowser, connection: db.Connection, tenant: str, mailbox: Mailbox
) -> None:
    owner = browser(tenant)
    email = f"bo-{tenant}@example.com"
    answer = owner.post(
        f"/o/{tenant}/settings/members/invite",
        {"email": f" {email.upper()} ", "role": "admin", "digest": "on"},
    )
    assert answer.status_code == 303
    assert email not in roles(connection, tenant)
    eventually(lambda: mailbox.mails(email), what="a mail")
    (link,) = re.findall(r"\S+/invitation/\S+", mailbox.mails(email)[0]["text"])
    page = text_of(owner.get(f"/o/{tenant}/settings/members"))
    assert f"{email} is asked by mail" in page and "They have not said yes." in page
    theirs = browser()
    path = urlsplit(link).path
    shown = theirs.get(path)
    assert shown.status_code == 200 and f"{owner.email} invites {email} as admin" in text_of(shown)
    assert email not in roles(connection, tenant)  # looking at it changes nothing
    assert theirs.cross_post(path, {"answer": "accept"}).status_code == 403
    accepted = theirs.post(path, {"answer": "accept"})
    assert accepted.status_code == 200 and "a link is on its way" in text_of(accepted)
    assert roles(connection, tenant)[email] == "admin"
    assert rows(
        connection, "SELECT email, added_by FROM digest_recipients WHERE organization = %s", tenant
    ) == [(email, owner.email)]
    assert rows(connection, NOTED, tenant) == [
        (owner.email, "invited", f"member {email}", {"role": "admin", "digest": True}),
        (email, "accepted", f"member {email}", {"role": "admin", "invited_by": owner.email}),
    ]
    eventually(lambda: len(mailbox.mails(email)) == 2, what="a link to sign in")
    (link,) = re.findall(r"\S+/sign-in/\S+", mailbox.mails(email)[0]["text"])
    assert theirs.post(link[link.index("/sign-in/") :]).status_code == 303
    assert theirs.get(f"/o/{tenant}/settings/members").status_code == 200
    assert theirs.post(path, {"answer": "accept"}).status_code == 410  # once


def invite(browser: Browser, tenant: str, email: str, mailbox: Mailbox) -> str:
    """Invited as a member: the path that their newest mail leads to."""
    before = len(mailbox.mails(email))
    sent = {"email": email, "role": "member"}
    assert browser.post(f"/o/{tenant}/settings/members/invite", sent).status_code == 303
    eventually(lambda: len(mailbox.mails(email)) > before, what="an invitation")
    (link,) = re.findall(r"\S+/invitation/\S+", mailbox.mails(email)[0]["text"])
    return str(urlsplit(link).path)


def test_an_invitation_ends_when_it_is_declined_withdrawn_replaced_or_who_sent_it_lost_the_right(
    browser: MakeBrowser, connection: db.Connection, tenant: str, mailbox: Mailbox
) -> None:
    owner, admin, nobody = browser(tenant), browser(tenant, "admin"), browser()
    email = f"bo-{tenant}@example.com"
    first = invite(owner, tenant, email, mailbox)
    second = invite(admin, tenant, email, mailbox)
    assert nobody.get(first).status_code == 410  # the newest counts
    declined = nobody.post(second, {"answer": "decline"})
    assert declined.status_code == 200 and "You declined" in text_of(declined)
    third = invite(admin, tenant, email, mailbox)
    owner.post(f"/o/{tenant}/settings/members/role", {"email": admin.email, "role": "member"})
    assert nobody.post(third, {"answer": "accept"}).status_code == 410
    # three mails a day go to one address, whoever sends them
    answer = owner.post(f"/o/{tenant}/settings/members/invite", {"email": email, "role": "member"})
    assert answer.status_code == 422 and "had 3 such mails this day" in text_of(answer)
    other = f"cy-{tenant}@example.com"
    fourth = invite(owner, tenant, other, mailbox)
    withdrawn = owner.post(f"/o/{tenant}/settings/members/withdraw", {"email": other})
    assert withdrawn.status_code == 303 and nobody.get(fourth).status_code == 410
    fifth = invite(owner, tenant, other, mailbox)
    connection.execute(
        "UPDATE invitations SET expires_at = now() WHERE organization = %s", (tenant,)
    )
    assert nobody.post(fifth, {"answer": "accept"}).status_code == 410
    assert set(roles(connection, tenant)) == {owner.email, admin.email}


def test_an_invitation_of_one_organization_opens_no_other(
    browser: MakeBrowser, connection: db.Connection, tenant: str, mailbox: Mailbox
) -> None:
    other = make_tenant(connection)
    path = invite(browser(tenant), tenant, f"bo-{tenant}@example.com", mailbox)
    nobody = browser()
    for elsewhere in (path.replace(tenant, other), path.replace(tenant, "%00"), path[:-1]):
        assert nobody.post(elsewhere, {"answer": "accept"}).status_code in (404, 410)
    assert nobody.get(path).status_code == 200


def test_who_signed_in_long_ago_signs_in_again_before_they_change_members_or_tokens(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    owner = browser(tenant)
    connection.execute(
        "UPDATE sessions SET created_at = now() - interval '16 minutes' WHERE email = %s",
        (owner.email,),
    )
    assert owner.get(f"/o/{tenant}/settings/members").status_code == 200
    deeds = {
        "members/invite": {"email": "new@example.com", "role": "member"},
        "members/role": {"email": owner.email, "role": "member"},
        "members/remove": {"email": owner.email},
        "members/withdraw": {"email": "new@example.com"},
        "tokens": {"name": "erp", "scope": "orders:write"},
        "tokens/rotate": {"name": "erp"},
        "tokens/revoke": {"name": "erp"},
    }
    for path, sent in deeds.items():
        answer = owner.post(f"/o/{tenant}/settings/{path}", sent)
        page = f"/o/{tenant}/settings/{path.split('/')[0]}"
        assert answer.status_code == 401 and "Sign in again" in text_of(answer), path
        assert f'name="next" value="{page}"' in answer.text
    assert rows(connection, NOTED, tenant) == []
    link = urlsplit(sign_in.make_link(connection, owner.email, "http://x")).path
    assert owner.post(link).status_code == 303
    answer = owner.post(f"/o/{tenant}/settings/tokens", deeds["tokens"])
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "email", ["", "nobody", "a b@example.com", "x\x00@example.com", "@example.com"]
)
def test_an_address_that_is_none_comes_back_beside_its_field(
    browser: MakeBrowser, connection: db.Connection, tenant: str, email: str
) -> None:
    owner = browser(tenant)
    answer = owner.post(f"/o/{tenant}/settings/members/invite", {"email": email, "role": "admin"})
    assert answer.status_code == 422 and 'id="invite-email-e"' in answer.text
    assert '<option value="admin" selected>' in answer.text
    assert list(roles(connection, tenant)) == [owner.email]


def test_a_member_is_invited_once(browser: MakeBrowser, tenant: str) -> None:
    owner = browser(tenant)
    answer = owner.post(
        f"/o/{tenant}/settings/members/invite", {"email": owner.email, "role": "member"}
    )
    assert answer.status_code == 422 and "is a member already" in answer.text


def test_the_last_owner_stays(browser: MakeBrowser, connection: db.Connection, tenant: str) -> None:
    owner = browser(tenant)
    for path, sent in (("role", {"role": "member"}), ("remove", {})):
        answer = owner.post(f"/o/{tenant}/settings/members/{path}", {"email": owner.email} | sent)
        assert answer.status_code == 422 and "is the last owner" in text_of(answer)
    assert roles(connection, tenant) == {owner.email: "owner"}
    second = browser(tenant)
    assert (
        owner.post(
            f"/o/{tenant}/settings/members/role", {"email": owner.email, "role": "member"}
        ).status_code
        == 303
    )
    assert roles(connection, tenant) == {owner.email: "member", second.email: "owner"}


def test_who_is_removed_is_out_at_once_and_gets_no_digest(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    owner, member = browser(tenant), browser(tenant, "member")
    connection.execute(
        "INSERT INTO digest_recipients (organization, email, added_by) VALUES (%s, %s, 'x')",
        (tenant, member.email),
    )
    assert member.get(f"/o/{tenant}/settings/members").status_code == 200
    assert (
        owner.post(f"/o/{tenant}/settings/members/remove", {"email": member.email}).status_code
        == 303
    )
    assert member.get(f"/o/{tenant}/settings/members").status_code in (303, 401)
    assert rows(connection, "SELECT count(*) FROM sessions WHERE email = %s", member.email) == [
        (0,)
    ]
    assert (
        rows(connection, "SELECT email FROM digest_recipients WHERE organization = %s", tenant)
        == []
    )
    assert rows(connection, NOTED, tenant)[-1] == (
        owner.email,
        "removed",
        f"member {member.email}",
        {"role": "member"},
    )
    assert (
        owner.post(f"/o/{tenant}/settings/members/remove", {"email": member.email}).status_code
        == 404
    )


def test_admins_govern_members_but_neither_make_nor_touch_owners(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    owner, admin, member = browser(tenant), browser(tenant, "admin"), browser(tenant, "member")
    before = roles(connection, tenant)

    def act(who: Browser, path: str, **sent: str) -> int:
        return who.post(f"/o/{tenant}/settings/members/{path}", sent).status_code

    assert act(admin, "role", email=member.email, role="owner") == 422
    assert act(admin, "role", email=owner.email, role="member") == 422
    assert act(admin, "remove", email=owner.email) == 422
    assert act(admin, "invite", email="new@example.com", role="owner") == 422
    for path in ("role", "remove", "invite"):
        assert act(member, path, email=admin.email, role="member") == 403
    assert act(admin, "role", email=member.email, role="emperor") == 422
    assert act(admin, "role", email="x\x00", role="member") == 404
    assert roles(connection, tenant) == before
    assert act(admin, "role", email=member.email, role="admin") == 303
    page = browser(tenant, "member").get(f"/o/{tenant}/settings/members").text
    assert "Remove" not in page and "Invite</h2>" not in page
