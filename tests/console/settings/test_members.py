"""Members: who may invite, change and remove whom; an owner always stays."""

import pytest

from shared import db
from tests.console.conftest import Browser, MakeBrowser, text_of
from tests.eventually import eventually
from tests.signals.builders import rows
from tests.stack_fixtures import Mailbox

NOTED = (
    "SELECT actor, action, subject, detail FROM audit_log WHERE organization = %s AND action "
    "<> 'created' ORDER BY at, id"
)
ROLES = "SELECT email, role FROM members WHERE organization = %s"


def roles(connection: db.Connection, organization: str) -> dict[str, str]:
    return {str(email): str(role) for email, role in rows(connection, ROLES, organization)}


def test_who_is_invited_gets_a_link_and_the_digest(
    browser: MakeBrowser, connection: db.Connection, tenant: str, mailbox: Mailbox
) -> None:
    owner = browser(tenant)
    email = f"bo-{tenant}@example.com"
    answer = owner.post(
        f"/o/{tenant}/settings/members/invite",
        {"email": f" {email.upper()} ", "role": "admin", "digest": "on"},
    )
    assert answer.status_code == 303
    assert roles(connection, tenant)[email] == "admin"
    assert rows(
        connection, "SELECT email, added_by FROM digest_recipients WHERE organization = %s", tenant
    ) == [(email, owner.email)]
    assert rows(connection, NOTED, tenant) == [
        (owner.email, "invited", f"member {email}", {"role": "admin", "digest": True})
    ]
    eventually(lambda: mailbox.mails(email), what="a mail")
    assert "/sign-in/" in mailbox.mails(email)[0]["text"]
    page = text_of(owner.get(f"/o/{tenant}/settings/members"))
    assert f"{email} is a member now" in page


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
