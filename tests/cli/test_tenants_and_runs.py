"""The operator's verbs: exit codes, what they print, what they change."""

import hashlib
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from services.signals.actions import sign_in
from services.signals.store import organizations
from shared import db, kafka, security
from shared.errors import NotFound, Rejected
from shared.ids import record_key
from shared.topics import ACCOUNTS, CONTACTS
from tests.signals.builders import rows
from tests.stack_fixtures import Stack
from winback.cli import app

CREATE = [
    "organization",
    "create",
    "--name",
    "Acme",
    "--currency",
    "USD",
    "--timezone",
    "America/Chicago",
]


def winback(*words: str, stdin: str | None = None) -> str:
    """What the verb prints. Errors of the project are raised, as `winback.cli.main` gets them."""
    done = CliRunner().invoke(app, list(words), input=stdin, catch_exceptions=True)
    if isinstance(done.exception, Exception):
        raise done.exception
    assert done.exit_code == 0, done.output
    return str(done.stdout)


@pytest.fixture
def name(tenant: str) -> str:
    """An id that is free."""
    return f"{tenant}-new"


def test_an_organization_comes_with_default_settings_and_schedules(
    connection: db.Connection, name: str
) -> None:
    winback(*CREATE, name)
    assert rows(
        connection,
        "SELECT kind, frequency, hour FROM schedules WHERE organization = %s ORDER BY kind",
        name,
    ) == [
        ("digest", "weekly", 8),
        ("nightly", "daily", 5),
    ]
    assert rows(
        connection,
        "SELECT extract(isodow FROM anchor_on)::int FROM schedules "
        "WHERE organization = %s AND kind = 'digest'",
        name,
    ) == [(1,)]
    assert (
        json.loads(winback("settings", "get", "--organization", name))["dormant"]["gap_days"] == 90
    )
    assert name in winback("organization", "list")
    with pytest.raises(Rejected, match="exists already"):
        winback(*CREATE, name)


def test_without_schedules_nothing_runs_by_itself(connection: db.Connection, name: str) -> None:
    winback(*CREATE, name, "--no-schedules")
    assert rows(connection, "SELECT kind FROM schedules WHERE organization = %s", name) == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (
            [
                "organization",
                "create",
                "Acme",
                "--name",
                "A",
                "--currency",
                "USD",
                "--timezone",
                "UTC",
            ],
            "organization",
        ),
        (
            [
                "organization",
                "create",
                "-acme",
                "--name",
                "A",
                "--currency",
                "USD",
                "--timezone",
                "UTC",
            ],
            None,
        ),
        (
            [
                "organization",
                "create",
                "acme-x",
                "--name",
                " ",
                "--currency",
                "USD",
                "--timezone",
                "UTC",
            ],
            "--name",
        ),
        (
            [
                "organization",
                "create",
                "acme-x",
                "--name",
                "A",
                "--currency",
                "usd",
                "--timezone",
                "UTC",
            ],
            "--currency",
        ),
        (
            [
                "organization",
                "create",
                "acme-x",
                "--name",
                "A",
                "--currency",
                "ZZZ",
                "--timezone",
                "UTC",
            ],
            "--currency",
        ),
        (
            [
                "organization",
                "create",
                "acme-x",
                "--name",
                "A",
                "--currency",
                "USD",
                "--timezone",
                "Mars/Olympus",
            ],
            "--timezone",
        ),
        (
            [
                "organization",
                "create",
                "acme-x",
                "--name",
                "A",
                "--currency",
                "USD",
                "--timezone",
                "../etc/passwd",
            ],
            "--timezone",
        ),
        ([*CREATE, "acme-x", "--locale", "xx_XX"], "--locale"),
        ([*CREATE, "acme-x", "--locale", "../de"], "--locale"),
    ],
)
def test_an_organization_that_cannot_be_is_refused_by_field(
    stack: Stack, changed: list[str], field: str | None
) -> None:
    if field is None:  # the command line takes it for an option
        assert CliRunner().invoke(app, changed).exit_code == 2
        return
    with pytest.raises(Rejected) as refused:
        winback(*changed)
    assert [error.field for error in refused.value.errors] == [field]


def test_an_organization_writes_numbers_as_it_is_told_to(
    connection: db.Connection, name: str
) -> None:
    winback(*CREATE, name, "--locale", "de-DE")
    listed = {
        row["organization"]: row["locale"]
        for row in json.loads(winback("organization", "list", "--json"))
    }
    assert listed[name] == "de_DE"
    assert (
        winback("organization", "set", name, "--locale", "fr_FR")
        == f"{name} writes numbers as in fr_FR\n"
    )
    winback("organization", "set", name, "--locale", "fr_FR")  # as it is
    with pytest.raises(Rejected, match="--locale"):
        winback("organization", "set", name, "--locale", "klingon")
    with pytest.raises(NotFound):
        winback("organization", "set", f"{name}-not", "--locale", "fr_FR")
    log = (
        "SELECT actor, action, detail FROM audit_log WHERE organization = %s AND subject = "
        "'organization' ORDER BY at"
    )
    changed = ("command line", "changed", {"locale": {"from": "de_DE", "to": "fr_FR"}})
    assert rows(connection, log, name) == [("command line", "created", {}), changed]
    assert rows(connection, "SELECT locale FROM organizations WHERE organization = %s", name) == [
        ("fr_FR",)
    ]


def test_a_deleted_organization_leaves_nothing_and_its_id_is_not_used_again(
    connection: db.Connection, name: str
) -> None:
    winback(*CREATE, name)
    connection.execute("INSERT INTO accounts (organization, account) VALUES (%s, 'A1')", (name,))
    connection.execute(
        "INSERT INTO contacts (organization, contact, account, revision) "
        "VALUES (%s, 'C1', 'A1', 1)",
        (name,),
    )
    partition = kafka.partition_of(name)
    ends = {topic.name: kafka.end_offset(topic.name, partition) for topic in (ACCOUNTS, CONTACTS)}
    assert CliRunner().invoke(app, ["organization", "delete", name]).exit_code == 2
    winback("organization", "delete", name, "--yes")
    assert rows(connection, "SELECT 1 FROM organizations WHERE organization = %s", name) == []
    assert rows(connection, "SELECT 1 FROM accounts WHERE organization = %s", name) == []
    assert {topic: kafka.end_offset(topic, partition) - end for topic, end in ends.items()} == {
        "accounts": 1,
        "contacts": 1,
    }
    with pytest.raises(Rejected, match="not used again"):
        winback(*CREATE, name)


def test_a_token_is_shown_once_and_kept_as_a_hash(connection: db.Connection, tenant: str) -> None:
    shown = json.loads(
        winback(
            "token",
            "create",
            tenant,
            "--name",
            "erp",
            "--scope",
            "orders:write,signals:read",
            "--json",
        )
    )["token"]
    assert shown.startswith("wb_")
    kept = rows(connection, "SELECT token_hash, scopes FROM tokens WHERE organization = %s", tenant)
    assert [(bytes(hashed), scopes) for hashed, scopes in kept] == [
        (hashlib.sha256(shown.encode()).digest(), ["orders:write", "signals:read"])
    ]
    assert "orders:write,signals:read" in winback("token", "list", tenant)
    with pytest.raises(Rejected, match="already"):
        winback("token", "create", tenant, "--name", "erp")
    with pytest.raises(Rejected, match="--scope"):
        winback("token", "create", tenant, "--name", "other", "--scope", "orders:write,everything")
    winback("token", "revoke", tenant, "erp")
    assert rows(
        connection, "SELECT revoked_at IS NULL FROM tokens WHERE organization = %s", tenant
    ) == [(False,)]
    with pytest.raises(NotFound):
        winback("token", "revoke", tenant, "erp")


def test_members_get_the_digest_until_they_go(connection: db.Connection, tenant: str) -> None:
    winback("member", "add", tenant, "Ana@Example.com", "--role", "owner")
    winback("member", "add", tenant, "bo@example.com", "--no-digest")
    assert json.loads(winback("member", "list", tenant, "--json")) == [
        {"email": "ana@example.com", "role": "owner"},
        {"email": "bo@example.com", "role": "member"},
    ]
    recipients = "SELECT email FROM digest_recipients WHERE organization = %s"
    assert rows(connection, recipients, tenant) == [("ana@example.com",)]
    winback("member", "add", tenant, "bo@example.com", "--role", "owner")
    assert rows(connection, recipients, tenant) == [("ana@example.com",), ("bo@example.com",)]
    winback("member", "remove", tenant, "ana@example.com")
    assert rows(connection, recipients, tenant) == [("bo@example.com",)]
    for wrong in ("no address", "a@b\nc"):
        with pytest.raises(Rejected):
            winback("member", "add", tenant, wrong)


def test_the_last_owner_stays_and_what_is_done_to_members_is_noted(
    connection: db.Connection, tenant: str
) -> None:
    winback("member", "add", tenant, "ana@example.com", "--role", "owner")
    winback("member", "add", tenant, "bo@example.com")
    for words in (
        ("member", "remove", tenant, "ana@example.com"),
        ("member", "add", tenant, "ana@example.com", "--role", "member"),
    ):
        with pytest.raises(Rejected, match=r"role: ana@example\.com is the last owner"):
            winback(*words)
    winback("member", "add", tenant, "bo@example.com", "--role", "admin")
    winback("member", "remove", tenant, "bo@example.com")
    log = (
        "SELECT actor, action, subject FROM audit_log WHERE organization = %s AND subject LIKE "
        "'member%%' ORDER BY at, id"
    )
    assert rows(connection, log, tenant) == [
        ("command line", "added", "member ana@example.com"),
        ("command line", "added", "member bo@example.com"),
        ("command line", "changed role", "member bo@example.com"),
        ("command line", "removed", "member bo@example.com"),
    ]


def test_a_token_s_end_and_a_run_are_noted(connection: db.Connection, tenant: str) -> None:
    winback("token", "create", tenant, "--name", "erp")
    winback("token", "revoke", tenant, "erp")
    winback("run", "--organization", tenant, "--as-of", "2026-03-02")
    log = (
        "SELECT actor, action, subject FROM audit_log WHERE organization = %s AND subject <> "
        "'organization' ORDER BY at, id"
    )
    assert rows(connection, log, tenant) == [
        ("command line", "created", "token erp"),
        ("command line", "revoked", "token erp"),
        ("command line", "asked for", "run 1"),
    ]


def test_settings_keep_a_version_only_where_something_changes(
    connection: db.Connection, tenant: str
) -> None:
    def change(patch: object, *options: str) -> dict[str, Any]:
        words = ("settings", "set", "--organization", tenant, "--json", *options)
        answer: dict[str, Any] = json.loads(winback(*words, stdin=json.dumps(patch)))
        return answer

    patch = {"dormant": {"gap_days": 60}, "sizes": {"6 SCH 40": "6.625"}}
    changed = {
        "dormant.gap_days": {"from": 90, "to": 60},
        "sizes.6 SCH 40": {"from": None, "to": "6.625"},
    }
    assert change(patch, "--dry-run") == {"version": 2, "changed": changed, "run": None}
    assert change({}) == {"version": 1, "changed": {}, "run": None}
    assert change(patch) == {"version": 2, "changed": changed, "run": None}
    assert change(patch) == {"version": 2, "changed": {}, "run": None}
    assert json.loads(winback("settings", "get", "--organization", tenant))["dormant"] == {
        "enabled": True,
        "gap_days": 60,
        "minimum_lifetime_revenue_cents": 10_000_000,
    }
    log = (
        "SELECT actor, action, detail FROM audit_log "
        "WHERE organization = %s AND subject = 'settings'"
    )
    assert rows(connection, log, tenant) == [("command line", "changed", changed)]
    with pytest.raises(Rejected) as refused:
        change({"dormant": {"gap_days": 0}, "lapse": {"lapse_days": 400}, "colour": 1})
    assert {error.field for error in refused.value.errors} >= {"dormant.gap_days", "colour"}


def test_saving_settings_asks_for_a_run_of_the_latest_day_where_nothing_runs_by_itself(
    connection: db.Connection, tenant: str
) -> None:
    winback("run", "--organization", tenant, "--as-of", "2025-06-02")
    winback(
        "settings", "set", "--organization", tenant, "--run", stdin='{"dormant": {"gap_days": 60}}'
    )
    asked = rows(
        connection,
        "SELECT number, as_of::text, reason FROM runs WHERE organization = %s ORDER BY number",
        tenant,
    )
    assert asked == [(1, "2025-06-02", "manual"), (2, "2025-06-02", "settings")]


def test_a_contact_is_erased_with_what_was_written_to_them(
    connection: db.Connection, tenant: str
) -> None:
    connection.execute(
        "INSERT INTO contacts (organization, contact, account, email, name, primary_sent, "
        "is_primary, revision) VALUES (%s, 'C1', 'A1', 'c1@example.com', 'Carl', true, true, 1)",
        (tenant,),
    )
    connection.execute(
        "INSERT INTO enrollments (organization, sequence, account, contact, state, variables, "
        "enrolled_at, digest, signal_type, seen_at) VALUES (%s, 's1', 'A1', 'C1', 'enrolled', "
        "'{\"contact_name\": \"Carl\"}', now(), 'd1', 'dormant', now())",
        (tenant,),
    )
    connection.execute(
        "INSERT INTO sequence_mails (organization, sequence, account, contact, step, message_id, "
        "message, email, state, next_attempt_at) "
        "VALUES (%s, 's1', 'A1', 'C1', 1, 'm1', 'Dear Carl', 'c1@example.com', 'queued', now())",
        (tenant,),
    )
    partition = kafka.partition_of(tenant)
    end = kafka.end_offset(CONTACTS.name, partition)
    winback("contact", "erase", tenant, "C1")
    assert rows(connection, "SELECT 1 FROM contacts WHERE organization = %s", tenant) == []
    assert rows(connection, "SELECT 1 FROM sequence_mails WHERE organization = %s", tenant) == []
    assert rows(
        connection,
        "SELECT state, reason, variables FROM enrollments WHERE organization = %s",
        tenant,
    ) == [("stopped", "erased", {})]
    assert kafka.end_offset(CONTACTS.name, partition) == end + 1
    assert record_key(tenant, "C1") == f"{tenant}\x1fC1".encode()


def test_the_story_of_a_run_through_the_real_system(services: Stack) -> None:
    """Create, order, run, wait, list: as an operator types it, with the exit
    codes that scripts rely on.
    """
    import urllib.request

    from shared.settings import settings
    from tests.signals.conftest import make_tenant

    with db.connect() as connection:
        connection.autocommit = True
        tenant = make_tenant(connection)
    token = winback("token", "create", tenant, "--name", "erp").strip()
    body = {
        "order": "SO-1",
        "account": "A1",
        "ordered_on": "2025-01-10",
        "lines": [{"product": "pipe", "revenue": "150000"}],
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{settings().ingest_port}/v1/orders",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202
    services.winback("wait", "--organization", tenant, "--timeout", "60")
    done = services.winback(
        "run", "--organization", tenant, "--as-of", "2025-06-02", "--wait", "--json"
    )
    assert json.loads(done.stdout) | {"duration_ms": 0} == {
        "organization": tenant,
        "run": 1,
        "as_of": "2025-06-02",
        "complete": True,
        "settings_version": 1,
        "accounts": 1,
        "evaluated": 1,
        "opened": 1,
        "seen": 0,
        "recovered": 0,
        "duration_ms": 0,
    }
    (signal,) = [
        json.loads(line)
        for line in services.winback(
            "signals", "--organization", tenant, "--json"
        ).stdout.splitlines()
    ]
    assert list(signal) == sorted(signal)
    assert (
        signal["type"],
        signal["account"],
        signal["opened_on"],
        signal["figures"]["days_inactive"],
    ) == (
        "dormant",
        "A1",
        "2025-06-02",
        143,
    )
    assert (
        services.winback("signals", "--organization", tenant, "--type", "lapse", "--json").stdout
        == ""
    )
    assert (
        services.winback(
            "signals", "--organization", tenant, "--type", "lapsed", check=False
        ).returncode
        == 2
    )
    assert (
        services.winback(
            "run", "--organization", tenant, "--as-of", "2025-06-01", check=False
        ).returncode
        == 2
    )
    assert services.winback("run", "--organization", "nobody-here", check=False).returncode == 2
    assert services.winback("wait", "--organization", "nobody-here", check=False).returncode == 2
    services.winback("wait", "--organization", tenant)


def test_sessions_end_by_the_operator_s_verb_and_links_with_them(
    connection: db.Connection, tenant: str
) -> None:
    email = f"ana@{tenant}.example.com"
    organizations.set_member(connection, tenant, email, "member")
    sign_in.start_session(connection, email, signed_in_from="Firefox on Linux")
    sign_in.make_link(connection, email, "")
    said = json.loads(winback("sessions", "end", f" {email.upper()}", "--json"))
    person = security.name_in_logs(email)
    assert said == {"sessions": 1, "links": 1, "person": person}
    assert winback("sessions", "end", email) == (f"ended: 0 sessions, 0 links; in logs: {person}\n")
