"""What happens to access is told, counted and kept; what is old goes by the terms."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.signals.store import purge
from shared import clock, db, security
from tests.console.conftest import Browser, MakeBrowser
from tests.console.identity.test_links import asked
from tests.signals.builders import rows
from tests.stack_fixtures import Mailbox, Stack
from winback import verbs

KEPT = "SELECT kind, person, about, detail FROM security_events WHERE person = %s ORDER BY at"


def counted(kind: str) -> float:
    return REGISTRY.get_sample_value("winback_security_events_total", {"kind": kind}) or 0.0


def kept_of(connection: db.Connection, email: str) -> list[str]:
    return [row[0] for row in rows(connection, KEPT, security.name_in_logs(email))]


def test_what_a_person_does_to_their_access_is_kept(
    browser: MakeBrowser,
    connection: db.Connection,
    tenant: str,
    mailbox: Mailbox,
) -> None:
    ana = browser(tenant)
    path, _ = asked(browser(), ana.email, mailbox)
    browser().post(path, {"code": "AAAA-AAAA"})
    ana.get(f"/o/{tenant}/accounts.csv")
    ana.post("/sign-out", {"everywhere": "yes"})
    assert kept_of(connection, ana.email) == [
        "signed in",
        "sign-in refused",
        "exported",
        "signed out everywhere",
    ]
    noted = "SELECT actor, action, subject FROM audit_log WHERE organization = %s AND action = %s"
    assert rows(connection, noted, tenant, "exported") == [(ana.email, "exported", "accounts")]
    assert ana.email not in str(rows(connection, "SELECT * FROM security_events"))


def refused_token(who: Browser, tenant: str) -> httpx.Response:
    return who.client.get("/v1/signals", headers={"Authorization": "Bearer wb_guess"})


@pytest.mark.parametrize(
    ("kind", "role", "do"),
    [
        ("not signed in", None, lambda who, org: who.get(f"/o/{org}/accounts")),
        ("forged form", "owner", lambda who, org: who.cross_post("/sign-out")),
        (
            "forbidden",
            "member",
            lambda who, org: who.post(f"/o/{org}/settings/tokens", {"name": "x"}),
        ),
        ("token refused", None, refused_token),
        (
            "token changed",
            "owner",
            lambda who, org: who.post(
                f"/o/{org}/settings/tokens", {"name": "x", "scope": "orders:write"}
            ),
        ),
        (
            "member changed",
            "owner",
            lambda who, org: who.post(
                f"/o/{org}/settings/members/invite",
                {"email": f"x@{org}.example", "role": "member"},
            ),
        ),
    ],
)
def test_refusals_and_changes_are_told_and_counted(
    browser: MakeBrowser,
    tenant: str,
    kind: security.Kind,
    role: str | None,
    do: Callable[[Browser, str], httpx.Response],
) -> None:
    who = browser(tenant, role) if role else browser()
    security._said_at.clear()
    before = counted(kind)
    with capture_logs() as lines:
        do(who, tenant)
    assert counted(kind) == before + 1
    assert [line["event_kind"] for line in lines if line["event"] == "security"] == [kind]
    assert who.email not in str(lines)


def test_of_a_burst_of_refusals_a_line_a_second_is_logged_and_all_are_counted() -> None:
    security._said_at.clear()
    before = counted("token refused")
    with capture_logs() as lines:
        for _ in range(50):
            security.tell("token refused", status=401)
        security._said_at.clear()  # a second later
        security.tell("token refused", status=401)
    assert [line.get("unsaid") for line in lines] == [None, 49]
    assert counted("token refused") == before + 51


# -- operators -------------------------------------------------------------------------------------


def test_a_verb_that_changes_something_is_kept_with_its_operator(
    stack: Stack,
    connection: db.Connection,
    tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUDO_USER", "olga")
    for words in (
        ("member", "add", tenant, "ana@example.com"),
        ("member", "add", tenant, "ana", "--role", "member"),  # refused
        ("member", "list", tenant),
        ("token", "create", tenant, "--name", "erp", "--json"),
    ):
        stack.winback(*words, check=False)
    kept = rows(
        connection,
        "SELECT operator, detail ->> 'verb', detail -> 'arguments', detail -> 'exit_code'"
        " FROM security_events WHERE detail::text LIKE %s ORDER BY at",
        f"%{tenant}%",
    )
    assert kept == [
        ("olga", "member", ["add", tenant, "ana@example.com"], 0),
        ("olga", "member", ["add", tenant, "ana", "--role", "member"], 2),
        ("olga", "token", ["create", tenant, "--name", "erp", "--json"], 0),
    ]


@pytest.mark.parametrize(
    ("words", "is_kept"),
    [
        (["organization", "delete", "acme"], True),
        (["--help"], False),
        ([], False),
        (["organization", "list"], False),
        (["settings", "set", "--organization", "acme", "--dry-run"], False),
        (["import", "orders", "x.csv"], True),
        (["sign-in", "ana@example.com"], True),
        (["member", "--help"], False),
        (["status"], False),
    ],
)
def test_only_verbs_that_change_something_are_kept(words: list[str], is_kept: bool) -> None:
    assert verbs.changes(words) is is_kept


# -- what is old -----------------------------------------------------------------------------------


def test_what_ended_goes_and_what_works_stays(
    browser: MakeBrowser,
    connection: db.Connection,
    tenant: str,
) -> None:
    gone, here = browser(tenant), browser(tenant)
    connection.execute(
        "UPDATE sessions SET expires_at = now() - interval '25 hours' WHERE email = %s",
        (gone.email,),
    )
    connection.execute(
        "UPDATE sign_in_links SET expires_at = now() - interval '25 hours' WHERE email = %s",
        (gone.email,),
    )
    purge.expired(connection, now=clock.now())
    for table in ("sessions", "sign_in_links"):
        count = f"SELECT count(*) FROM {table} WHERE email = %s"
        assert rows(connection, count, gone.email) == [(0,)]
        assert rows(connection, count, here.email) == [(1,)]


def test_old_rows_of_the_audit_log_go_by_the_operator_s_verb_alone(
    stack: Stack,
    connection: db.Connection,
    tenant: str,
) -> None:
    old, new = clock.now() - timedelta(days=3_000), clock.now()
    for at in (old, new):
        connection.execute(
            "INSERT INTO audit_log (organization, at, actor, action, subject, detail)"
            " VALUES (%s, %s, 'x', 'did', %s, '{}')",
            (tenant, at, str(at)),
        )
        connection.execute(
            "INSERT INTO security_events (at, kind, person, operator, about, detail)"
            " VALUES (%s, 'exported', '', '', %s, '{}')",
            (at, tenant),
        )
    stack.winback("purge")
    did = "SELECT subject FROM audit_log WHERE organization = %s AND action = 'did'"
    assert rows(connection, did, tenant) == [(str(new),)]
    about = "SELECT count(*) FROM security_events WHERE about = %s"
    assert rows(connection, about, tenant) == [(1,)]
