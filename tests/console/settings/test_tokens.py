"""Tokens: shown once, rotated, revoked, by owners and admins."""

import hashlib
import re

import pytest

from shared import db
from tests.console.conftest import MakeBrowser, text_of
from tests.signals.builders import rows
from tests.signals.conftest import make_tenant

NOTED = (
    "SELECT actor, action, subject, detail FROM audit_log WHERE organization = %s AND action "
    "<> 'created' ORDER BY at, id"
)


def shown_token(page: str) -> str:
    found = re.search(r'<input class="token"[^>]* readonly value="([^"]*)"', page)
    assert found is not None
    return found[1]


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
    [
        ({"name": "", "scope": "orders:write"}, "name"),
        ({"name": "x" * 65, "scope": "orders:write"}, "name"),
        ({"name": "x\x00", "scope": "orders:write"}, "name"),
        ({"name": "erp"}, "scope"),
        ({"name": "erp", "scope": "all"}, "scope"),
    ],
)
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
