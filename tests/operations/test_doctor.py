"""`winback doctor` on real Kafka, PostgreSQL, mail servers and a name server: it sees what is
wrong, and says what to do.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiosmtpd.smtp import AuthResult
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its reference says that they are there
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from shared import db
from shared.kafka import Publisher
from shared.settings import settings
from shared.topics import ERP_ORDERS
from tests.digest.servers import Answers, serving
from tests.operations.configured import Configure as Configure
from tests.stack_fixtures import Stack
from winback.doctor import catalogue_store, kafka, machine, mail, postgres
from winback.doctor.findings import Finding, exit_code, good, note
from winback.doctor.findings import away as gone


def states(findings: Iterator[Finding]) -> dict[str, str]:
    return {finding.name: finding.state for finding in findings}


def of(findings: Iterator[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


# -- the whole -------------------------------------------------------------------------------------


def test_a_whole_system_is_well_and_what_is_only_good_for_a_try_is_noted(services: Stack) -> None:
    done = services.winback("doctor", "--json")
    said = json.loads(done.stdout)
    assert said["ok"]
    found = {finding["name"]: finding for finding in said["findings"]}
    assert {name for name, finding in found.items() if finding["state"] == "note"} == {
        "address",
        "kafka replicas",
        "sender",
    }
    assert {
        "kafka writes",
        "kafka clock",
        "topic settings",
        "migrations",
        "row-level security",
        "mail server",
    } <= found.keys()
    assert "1 at work" in found["detector"]["said"]
    assert all(bool(finding["do"]) == (finding["state"] != "good") for finding in found.values())


def test_what_cannot_be_reached_is_said_with_exit_code_3(services: Stack) -> None:
    nowhere = Stack(
        services.home,
        services.env
        | {
            "WINBACK_KAFKA": "127.0.0.1:1",
            "WINBACK_DATABASE_URL": "postgresql://winback@127.0.0.1:1/winback",
            "WINBACK_SMTP_URL": "smtp://127.0.0.1:1",
        },
        services.supervisor,
    )
    done = nowhere.winback("doctor", check=False)
    assert done.returncode == 3
    for name in ("kafka", "postgresql", "mail server"):
        assert f"AWAY   {name}: " in done.stdout
    assert "WINBACK_DATABASE_URL" in done.stdout


def test_notes_are_no_faults_and_what_is_away_outweighs_what_is_wrong() -> None:
    wrong = Finding(name="x", state="wrong", said="", do="")
    assert exit_code([good("a", ""), note("b", "", "")]) == 0
    assert exit_code([good("a", ""), wrong]) == 1
    assert exit_code([wrong, gone("c", "", "")]) == 3


# -- Kafka -----------------------------------------------------------------------------------------


def test_a_topic_that_was_changed_behind_our_back_is_named(configure: Configure) -> None:
    admin = AdminClient({"bootstrap.servers": settings().kafka})

    def keep(retention_ms: str) -> None:
        set_it = AlterConfigOpType.SET
        entry = ConfigEntry("retention.ms", retention_ms, incremental_operation=set_it)
        resource = ConfigResource(ResourceType.TOPIC, "sequence-ticks", incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result()

    keep("1000")
    found = of(kafka.look(), "topic settings")
    keep("2592000000")
    assert (
        found.state == "wrong"
        and "sequence-ticks: retention.ms is 1000, not 2592000000" in found.said
    )
    assert of(kafka.look(), "topic settings").state == "good"


def test_more_partitions_or_replicas_than_there_are_is_wrong(configure: Configure) -> None:
    configure(partitions="7", replication_factor="3")
    found = states(kafka.look())
    assert found["topic partitions"] == found["kafka replicas"] == found["kafka in sync"] == "wrong"


def test_a_raw_topic_that_is_configured_and_not_there_is_named(configure: Configure) -> None:
    configure(erp_tokens='{"nope-orders": "wb_x"}')
    found = of(kafka.look(), "topics")
    assert found.state == "wrong" and found.said == "missing: nope-orders, nope-orders-dead"


def test_a_consumer_that_stands_still_while_records_wait_is_named(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "WAITED_SECONDS", -60.0)
    publisher = Publisher()
    end = publisher.publish(ERP_ORDERS.name, b"{}", partition=1) + 1
    publisher.close()
    place = {"consumer": "halted", "topic": ERP_ORDERS.name, "partition": 1}
    with db.connect() as connection:
        db.position(connection, **place)  # type: ignore[arg-type] # texts and a number
    found = of(kafka.look(), "consumers")
    assert found.state == "wrong" and f"halted at {ERP_ORDERS.name}/1@0" in found.said
    with db.connect() as connection:
        moved = db.move_position(
            connection,
            **place,  # type: ignore[arg-type]  # the same
            expected=0,
            next_offset=end,
        )
        assert moved
    assert "halted" not in of(kafka.look(), "consumers").said
    with db.connect() as connection:
        connection.execute("DELETE FROM positions WHERE consumer = 'halted'")


def test_without_a_detector_somebody_is_missed(stack: Stack) -> None:
    assert of(kafka.look(), "detector").state in ("wrong", "note")


def test_the_topic_that_was_written_to_is_gone_afterwards(stack: Stack) -> None:
    assert states(kafka.look())["kafka writes"] == "good"
    admin = AdminClient({"bootstrap.servers": settings().kafka})
    assert kafka.PROBE not in admin.list_topics(timeout=10).topics


@pytest.mark.parametrize(("seconds", "state"), [(0.4, "good"), (4, "note"), (90, "wrong")])
def test_clocks_that_disagree_are_noted_then_wrong(seconds: float, state: str) -> None:
    assert kafka.skew("clock", seconds).state == state


# -- PostgreSQL ------------------------------------------------------------------------------------


@contextmanager
def changed(statement: bytes) -> Iterator[db.Connection]:
    """The database as it would be, for this transaction alone."""
    with (
        psycopg.connect(settings().database_url) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute(statement)
        yield connection


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (b"ALTER ROLE winback_app BYPASSRLS", "may do more"),
        (b"ALTER TABLE feeds OWNER TO winback_app", "owns tables"),
        (b"ALTER ROLE winback_app RENAME TO winback_gone", "is not there"),
    ],
)
def test_a_role_that_breaks_isolation_is_wrong(stack: Stack, statement: bytes, words: str) -> None:
    with changed(statement) as connection:
        found = of(
            postgres._roles(connection, catalogue_store.server(connection)), "role winback_app"
        )
    assert found.state == "wrong" and words in found.said and found.do


@pytest.mark.parametrize(
    "statement",
    [
        b"ALTER TABLE feeds NO FORCE ROW LEVEL SECURITY",
        b"ALTER TABLE feeds DISABLE ROW LEVEL SECURITY",
    ],
)
def test_a_table_whose_rows_are_not_protected_is_named(stack: Stack, statement: bytes) -> None:
    with changed(statement) as connection:
        assert catalogue_store.unprotected(connection) == ["feeds"]


def test_migrations_that_are_missing_or_of_a_newer_version_are_told_apart(stack: Stack) -> None:
    with changed(b"DELETE FROM migrations WHERE name LIKE '0001%'") as connection:
        found = postgres._migrations(connection)
    assert (
        found.state == "wrong"
        and "0001_foundation.sql" in found.said
        and "winback migrate" in found.do
    )
    with changed(b"INSERT INTO migrations (name) VALUES ('9999_tomorrow.sql')") as connection:
        assert postgres._migrations(connection).state == "note"


def test_a_collation_of_an_icu_that_was_upgraded_is_wrong(stack: Stack) -> None:
    upgraded = b"UPDATE pg_collation SET collversion = '1.0' WHERE collname = 'und-x-icu'"
    with changed(upgraded) as connection:
        found = postgres._collations(connection)
    assert found.state == "wrong" and "und-x-icu" in found.said and "REINDEX" in found.do


# -- mail ------------------------------------------------------------------------------------------


def test_a_login_that_the_mail_server_refuses_is_said(configure: Configure) -> None:
    def nobody(*_: Any) -> AuthResult:
        return AuthResult(success=False, handled=False)

    with serving(Answers(), authenticator=nobody, auth_require_tls=False) as port:
        configure(smtp_url=f"smtp://ana:secret@127.0.0.1:{port}")
        found = of(mail.look(), "mail server")
    assert found.state == "away" and "535" in found.said and "secret" not in found.said


def test_a_mail_server_that_cannot_encrypt_is_said(configure: Configure) -> None:
    with serving(Answers()) as port:
        configure(smtp_url=f"smtp+starttls://127.0.0.1:{port}")
        found = of(mail.look(), "mail server")
    assert found.state == "away" and "STARTTLS" in found.said


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("mailpit", True),
        ("mail.acme.test", False),
        ("10.0.0.4", False),
    ],
)
def test_only_what_stays_on_this_machine_may_be_in_the_clear(host: str, local: bool) -> None:
    assert mail.is_local(host) is local


# -- the machine -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "name", "state"),
    [
        ({"base_url": "https://winback.acme.test"}, "address", "good"),
        ({"base_url": "http://winback.acme.test", "plaintext": "http"}, "address", "wrong"),
        ({"secret": ""}, "secret", "wrong"),
        ({"secret": "a" * 40}, "secret", "wrong"),
        ({"secret": "0123456789abcdefghij0123456789abcd"}, "secret", "good"),
        ({"clock_offset_seconds": "60"}, "clock offset", "wrong"),
        ({"development_cadences": "true"}, "cadences", "note"),
        ({"watched_disks": '{"kafka": "/nowhere/at/all"}'}, "disk kafka", "wrong"),
        ({"state_dir": "/nowhere/at/all"}, "detector's folder", "note"),
    ],
)
def test_settings_that_are_not_fit_for_others_are_said(
    configure: Configure, values: dict[str, str], name: str, state: str
) -> None:
    configure(**values)
    found = of(machine.look(), name)
    assert found.state == state and bool(found.do) == (state != "good")


@pytest.mark.parametrize(("share", "state"), [(0.5, "good"), (0.1, "note"), (0.01, "wrong")])
def test_a_disk_that_gets_full_is_noted_then_wrong(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, share: float, state: str
) -> None:
    configure(watched_disks=json.dumps({"here": str(tmp_path)}))
    free = next(
        float(finding.said.split()[-1].rstrip("%")) / 100
        for finding in machine.look()
        if finding.name == "disk here"
    )
    monkeypatch.setattr(machine, "NOTED_SHARE", 0.15 + free - share)
    monkeypatch.setattr(machine, "WRONG_SHARE", 0.05 + free - share)
    assert of(machine.look(), "disk here").state == state
