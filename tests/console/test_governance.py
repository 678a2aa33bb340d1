"""Members, tokens and the audit log: who may what, an owner always stays, secrets are shown once."""

import csv
import hashlib
import io
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.signals.console.http.csv_export import cell
from services.signals.store import audit_log
from shared import db
from tests.console.conftest import Browser, MakeBrowser, text_of
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


def wait_for(done: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.05)


# -- members -------------------------------------------------------------------------------------------------------------------


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
    wait_for(lambda: bool(mailbox.mails(email)))
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


# -- tokens --------------------------------------------------------------------------------------------------------------------


def shown_token(page: str) -> str:
    return page.split('class="token" readonly value="')[1].split('"')[0]


def test_a_token_is_shown_once_rotated_and_revoked(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    owner = browser(tenant)
    path = f"/o/{tenant}/settings/tokens"
    made = owner.post(path, {"name": "erp", "scope": ["orders:write", "signals:read"]})
    first = shown_token(made.text)
    assert first.startswith("wb_") and made.headers["cache-control"] == "private, no-store"
    assert first not in owner.get(path).text
    assert owner.get("/v1/signals", headers={"Authorization": f"Bearer {first}"}).status_code == 200

    second = shown_token(owner.post(f"{path}/rotate", {"name": "erp"}).text)
    assert second != first
    assert owner.get("/v1/signals", headers={"Authorization": f"Bearer {first}"}).status_code == 401
    assert (
        owner.get("/v1/signals", headers={"Authorization": f"Bearer {second}"}).status_code == 200
    )
    assert rows(
        connection, "SELECT token_hash, scopes FROM tokens WHERE organization = %s", tenant
    ) == [(hashlib.sha256(second.encode()).digest(), ["orders:write", "signals:read"])]

    connection.execute(
        "INSERT INTO token_uses (organization, name, last_used_at) VALUES (%s, 'erp', now() - "
        "interval '3 hours')",
        (tenant,),
    )
    assert "3 hours ago" in text_of(owner.get(path))
    assert owner.post(f"{path}/revoke", {"name": "erp"}).status_code == 303
    assert (
        owner.get("/v1/signals", headers={"Authorization": f"Bearer {second}"}).status_code == 401
    )
    assert owner.post(f"{path}/rotate", {"name": "erp"}).status_code == 404
    noted = [
        (who, action, subject)
        for who, action, subject, _ in rows(
            connection, NOTED.replace("<> 'created'", "<> ''"), tenant
        )
    ]
    assert noted[-3:] == [
        (owner.email, action, "token erp") for action in ("created", "rotated", "revoked")
    ]
    assert first not in str(rows(connection, NOTED, tenant))


@pytest.mark.parametrize(
    ("sent", "field"),
    [({"name": "", "scope": "orders:write"}, "name"), ({"name": "x" * 65, "scope": "orders:write"}, "name"),
     ({"name": "x\x00", "scope": "orders:write"}, "name"), ({"name": "erp"}, "scope"), ({"name": "erp", "scope": "all"}, "scope")],
)  # fmt: skip
def test_a_token_that_cannot_be_is_told_by_its_field(
    browser: MakeBrowser, connection: db.Connection, tenant: str, sent: dict[str, str], field: str
) -> None:
    answer = browser(tenant).post(f"/o/{tenant}/settings/tokens", sent)
    assert answer.status_code == 422 and f'href="#token-{field}"' in answer.text
    assert rows(connection, "SELECT name FROM tokens WHERE organization = %s", tenant) == []


def test_a_name_is_used_once(browser: MakeBrowser, tenant: str) -> None:
    owner = browser(tenant)
    for status in (200, 422):
        assert (
            owner.post(
                f"/o/{tenant}/settings/tokens", {"name": "erp", "scope": "orders:write"}
            ).status_code
            == status
        )


def test_tokens_of_another_organization_cannot_be_touched(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    other = make_tenant(connection)
    browser(other).post(f"/o/{other}/settings/tokens", {"name": "erp", "scope": "orders:write"})
    mine, member = browser(tenant), browser(tenant, "member")
    for path in ("rotate", "revoke"):
        assert mine.post(f"/o/{tenant}/settings/tokens/{path}", {"name": "erp"}).status_code == 404
        assert mine.post(f"/o/{other}/settings/tokens/{path}", {"name": "erp"}).status_code == 404
        assert (
            member.post(f"/o/{tenant}/settings/tokens/{path}", {"name": "erp"}).status_code == 403
        )
    assert (
        member.post(
            f"/o/{tenant}/settings/tokens", {"name": "x", "scope": "orders:write"}
        ).status_code
        == 403
    )
    assert (
        "erp"
        not in text_of(mine.get(f"/o/{tenant}/settings/tokens"))
        .split("Tokens")[-1]
        .split("New token")[0]
    )
    assert rows(connection, "SELECT revoked_at FROM tokens WHERE organization = %s", other) == [
        (None,)
    ]


# -- the audit log ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged(connection: db.Connection, tenant: str) -> str:
    """120 rows, a minute apart from 1 March 2026 05:00 UTC (still February in Chicago) on; two
    actors, two actions.
    """
    first = datetime(2026, 3, 1, 5, 0, tzinfo=UTC)
    for number in range(120):
        audit_log.note(
            connection,
            tenant,
            at=first + timedelta(minutes=number),
            actor=("ana@example.com", "=cmd|'/c calc'!A1")[number % 2],
            action=("changed", "removed")[number % 3 == 0],
            subject=f"account A-{number:03}",
            detail={"number": number},
        )
    return tenant


def subjects(page: str) -> list[str]:
    return [part.split("</bdi>")[0] for part in page.split("<bdi>account ")[1:]]


def test_the_log_pages_without_leaving_out_or_repeating_any(
    browser: MakeBrowser, logged: str
) -> None:
    member = browser(logged, "member")
    seen: list[str] = []
    path: str | None = f"/o/{logged}/settings/audit?since=2026-01-01&until=2026-06-01"
    while path:
        page = member.get(path).text
        seen += subjects(page)
        more = (
            page.split('">Older</a>')[0].split('href="')[-1].replace("&amp;", "&")
            if ">Older</a>" in page
            else None
        )
        path = more
    assert seen == [f"A-{number:03}" for number in reversed(range(120))]


def test_the_log_is_narrowed_by_actor_action_subject_and_days_of_the_organization(
    browser: MakeBrowser, logged: str
) -> None:
    owner = browser(logged)

    def found(**asked: str) -> list[str]:
        return subjects(owner.get(f"/o/{logged}/settings/audit", params=asked).text)

    assert found(subject="a-01") == [f"A-{number:03}" for number in reversed(range(10, 20))]
    assert found(actor="ana@example.com", action="removed", subject="A-00") == ["A-006", "A-000"]
    assert found(until="2026-02-28")[0] == "A-059", "until midnight in Chicago, 06:00 UTC"
    assert found(since="2026-03-01", until="2026-03-01")[-1] == "A-070"
    assert found(subject="%") == [] and found(actor="' OR 1=1") == []


@pytest.mark.parametrize(
    "query",
    [
        "since=x",
        "until=0001-01-01",
        "before=x",
        "before=1~x",
        "subject=%00",
        "before=9999999999999999999999~x",
    ],
)
def test_a_filter_that_cannot_be_is_told(browser: MakeBrowser, tenant: str, query: str) -> None:
    assert browser(tenant).get(f"/o/{tenant}/settings/audit?{query}").status_code == 422


def test_the_export_has_every_row_and_no_formula(browser: MakeBrowser, logged: str) -> None:
    answer = browser(logged).get(f"/o/{logged}/settings/audit.csv?action=changed&until=2026-06-01")
    assert answer.headers["content-disposition"] == f'attachment; filename="{logged}-audit.csv"'
    found = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(found) == 80 and set(found[0]) == {"at", "actor", "action", "subject", "detail"}
    assert {row["actor"] for row in found} == {"ana@example.com", "'=cmd|'/c calc'!A1"}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        (-1, -1),
        ("a=1", "a=1"),
        (None, ""),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_led_by_an_apostrophe(
    value: object, written: object
) -> None:
    assert cell(value) == written


def test_the_log_is_for_members_of_the_organization_alone(
    browser: MakeBrowser, connection: db.Connection, logged: str
) -> None:
    stranger = browser(make_tenant(connection))
    for path in ("audit", "audit.csv", "members", "tokens", "digest", "sizes"):
        assert stranger.get(f"/o/{logged}/settings/{path}").status_code == 404
