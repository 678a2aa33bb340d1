"""What fails in the middle of its work says why, and nothing secret: real faults, in each process,
while secrets are under way.

The application's roles lose a right, or a table a row that it took before, as after a migration
that went wrong; the mail server refuses the login; a disk is not what it was. Answers, logs,
metrics and traces are searched, and must show the fault all the same.
"""

import secrets
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest

from services.signals.actions import sign_in, tokens
from services.signals.actions.actor import COMMAND_LINE
from services.signals.store import organizations
from shared import db
from shared.errors import said, without_rows
from shared.mail import unsubscribe_token
from shared.settings import settings
from tests.collector import collecting
from tests.console.conftest import COOKIE
from tests.console.identity.test_single_sign_on import CLIENT, SECRET, Provider
from tests.console.identity.test_single_sign_on import running as running  # the fixture
from tests.eventually import eventually
from tests.operations.told import WAIT_SECONDS, Told, look, serving
from tests.stack_fixtures import Stack
from winback.serve import Service

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
WORKERS = (Service.SIGNALS, Service.DIGEST, Service.SEQUENCES, Service.CLOCK)


@contextmanager
def changed(statement: str, back: str) -> Iterator[None]:
    """The database is so within the block."""
    with psycopg.connect(settings().database_url, autocommit=True) as owner:
        owner.execute(statement.encode())
        try:
            yield
        finally:
            owner.execute(back.encode())


@contextmanager
def without(right: str, table: str, role: str = "winback_app") -> Iterator[None]:
    """The role may not do that to the table any more."""
    with changed(f"REVOKE {right} ON {table} FROM {role}", f"GRANT {right} ON {table} TO {role}"):
        yield


@contextmanager
def taking_no_row(table: str) -> Iterator[None]:
    """PostgreSQL refuses each row, and quotes it in the error's detail where
    no policy forbids that.
    """
    with changed(
        f"ALTER TABLE {table} ADD CONSTRAINT broken CHECK (false) NOT VALID",
        f"ALTER TABLE {table} DROP CONSTRAINT broken",
    ):
        yield


def failed(told: Told, where: str, answer: httpx.Response) -> None:
    """It is a 500 that says what to do; all of it is told."""
    assert answer.status_code == 500, f"{where}: {answer.status_code} {answer.text}"
    told.texts[where] = answer.text + str(answer.headers)


def test_a_request_that_fails_inside_tells_nobody_what_it_brought(
    stack: Stack,
    organization: str,
    running: Provider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    told, email = Told(), f"ana-{secrets.token_hex(8)}@example.com"
    with db.connect() as connection:
        organizations.set_member(connection, organization, email, "owner")
        for scope in ("orders:write", "signals:read"):
            told.secret[scope] = tokens.create(
                connection, organization, name=scope, scopes=[scope], by=COMMAND_LINE
            )
        link, spent = (
            sign_in.make_link(connection, email, "").rpartition("/")[2] for _ in range(2)
        )
        told.secret |= {"a sign-in link": link, "another sign-in link": spent}
    told.secret["the password of PostgreSQL"] = str(urlsplit(settings().database_url).password)
    told.secret["the client's secret"] = SECRET
    sink = urlsplit(settings().smtp_url)
    with collecting() as collector, ExitStack() as served:
        password = told.new("the password of the mail server")
        env = {
            "smtp_url": f"smtp://winback:{password}@{sink.hostname}:{sink.port}",
            "secret": told.new("the secret"),
            "otlp_endpoint": collector.url,
            "base_url": "http://127.0.0.1:8080",
            "oidc_issuer": running.url,
            "oidc_client_id": CLIENT,
            "oidc_client_secret": SECRET,
        }
        ingest, console = (
            served.enter_context(serving(told, one, tmp_path, env)).address
            for one in (Service.INGEST, Service.CONSOLE)
        )
        for address in (ingest, console):
            look(told, address, "/readyz", 200)
        break_ingest(told, ingest)
        break_console(
            told,
            console,
            tmp_path / f"{Service.CONSOLE}.log",
            running,
            organization,
            email,
            link,
            spent,
        )
        for address in (ingest, console):
            look(told, address, "/metrics", 200)
        spans = (
            "POST /v1/orders",
            "POST /sign-in/{link}",
            "GET /sign-in/oidc/callback",
            "POST /unsubscribe/{token}",
        )
        eventually(lambda: all(map(collector.named, spans)), what="a span of each")
        served.close()  # what they still had to say is in the logs
        told.texts["traces"] = collector.said()
    logs = {
        service: told.texts[f"the log of {service}"]
        for service in (Service.INGEST, Service.CONSOLE)
    }
    for service, faults in {Service.INGEST: 2, Service.CONSOLE: 7}.items():
        assert logs[service].count("Traceback") >= faults, f"{service} does not say what failed"
        assert email not in logs[service], f"{service} names people"
    assert told.leaks() == []


def break_ingest(told: Told, address: str) -> None:
    """The token cannot be looked up; then the request's key cannot be kept."""
    token = told.secret["orders:write"]
    asked = {
        "url": f"{address}/v1/orders",
        "headers": {"Authorization": f"Bearer {token}", "Idempotency-Key": "once"},
    }
    for right, table in (("SELECT", "tokens"), ("INSERT", "idempotency_keys")):
        with without(right, table):
            answer = httpx.post(**asked, content=f'{{"order":"{token}"}}', timeout=30)  # type: ignore[arg-type]  # a mapping of both
        failed(told, f"ingest without {table}", answer)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 500


def break_console(
    told: Told,
    address: str,
    log: Path,
    provider: Provider,
    organization: str,
    email: str,
    link: str,
    spent: str,
) -> None:
    """Each of its ways in, and a page of somebody who is signed in."""
    with httpx.Client(base_url=address, timeout=60, headers=SAME_ORIGIN) as person:
        with taking_no_row("sessions"):
            failed(told, "a link that makes no session", person.post(f"/sign-in/{link}"))
            begun = person.get("/sign-in/oidc").headers["location"]
            back = provider.sign_in(begun, email)
            told.secret["the provider's code"] = parse_qs(urlsplit(back).query)["code"][0]
            told.secret["what the provider remembers"] = parse_qs(urlsplit(begun).query)["state"][0]
            failed(told, "single sign-on that makes no session", person.get(back))
        assert person.post(f"/sign-in/{spent}").status_code == 303
        told.secret["a session"] = person.cookies[COOKIE]
        own = f"/o/{organization}/accounts"
        with without("SELECT", "sessions"):
            failed(told, "a page without sessions", person.get(own, params={"search": email}))
        with without("SELECT", "members"):
            failed(told, "a page without members", person.get(own))
        with without("SELECT", "tokens"):
            asked = {"Authorization": f"Bearer {told.secret['signals:read']}"}
            failed(told, "the API without tokens", person.get("/v1/signals", headers=asked))
        with taking_no_row("sign_in_links"):  # behind the answer
            told.texts["no link is kept"] = person.post("/sign-in", data={"email": email}).text
            eventually(
                lambda: "sign_in_links" in log.read_text(),
                what="a line on sign_in_links in the log",
            )
        told.texts["the mail server wants no login"] = person.post(
            "/sign-in", data={"email": email}
        ).text
        with taking_no_row("suppressions"):
            words = told.secret["a link to unsubscribe"] = unsubscribe_token_of(
                told.secret["the secret"], organization, email
            )
            failed(told, "unsubscribing fails", person.post(f"/unsubscribe/{words}"))


def unsubscribe_token_of(secret: str, organization: str, email: str) -> str:
    """As the process with that secret signs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WINBACK_SECRET", secret)
        settings.cache_clear()
        token = unsubscribe_token(organization, email)
    settings.cache_clear()
    return token


def test_a_process_that_leaves_with_an_error_says_which_and_no_secret(
    stack: Stack, tmp_path: Path
) -> None:
    told = Told()
    told.secret["the password of PostgreSQL"] = str(urlsplit(settings().database_url).password)
    file = tmp_path / "a file"
    file.write_text("where a folder should be")
    env = {
        "smtp_url": f"smtp://winback:{told.new('the password of the mail server')}@127.0.0.1:1",
        "secret": told.new("the secret"),
        "state_dir": str(file / "state"),
    }
    codes = dict[Service, int]()
    # the clock by itself: it reads no schedule before it has read from the positions that Kafka's
    # log is the one it knows
    for tables, services in (
        (["schedules"], [Service.CLOCK]),
        (["positions", "digest_mails"], [s for s in WORKERS if s != Service.CLOCK]),
        ([], [Service.DETECTOR]),
    ):
        with ExitStack() as broken:
            for table in tables:
                broken.enter_context(without("SELECT", table, "winback_worker"))
            started = {
                one: broken.enter_context(serving(told, one, tmp_path, env)) for one in services
            }
            codes |= {service: one.process.wait(WAIT_SECONDS) for service, one in started.items()}
    assert [service for service, code in codes.items() if code == 0] == []
    wanted = dict.fromkeys(WORKERS, "permission denied") | {Service.DETECTOR: str(file)}
    assert [
        service
        for service, words in wanted.items()
        if words not in told.texts[f"the log of {service}"]
    ] == []
    assert told.leaks() == []


def test_what_postgresql_quotes_of_rows_is_left_out_of_what_an_error_says(stack: Stack) -> None:
    """A row that was refused, a key that is there, a value inside COPY; alone, as a
    cause, and in a group.
    """
    email = f"ana-{secrets.token_hex(8)}@example.com"
    with psycopg.connect(settings().database_url, autocommit=True) as owner:
        owner.execute("CREATE TEMP TABLE people (email text PRIMARY KEY, age int CHECK (age > 0))")
        owner.execute("INSERT INTO people VALUES (%s, 1)", (email,))
        for age in (0, 1):  # the row; the key
            with pytest.raises(psycopg.IntegrityError) as refused:
                owner.execute("INSERT INTO people VALUES (%s, %s)", (email, age))
            assert email in str(refused.value)
            assert email not in said(refused.value) and "people" in said(refused.value)
        with (
            pytest.raises(psycopg.DataError) as wrong,
            owner.cursor().copy("COPY people (age, email) FROM STDIN") as copy,
        ):
            copy.write(f"{'9' * 20}\t{email}\n")
        assert "COPY people, line 1" in str(wrong.value) and "COPY people, line 1" not in said(
            wrong.value
        )
    caused = RuntimeError("it was not kept")
    caused.__cause__ = refused.value
    for error in (caused, ExceptionGroup("both", [refused.value])):
        text = "".join(traceback.format_exception(error))
        assert email in text
        assert email not in without_rows(error, text) and "duplicate key" in without_rows(
            error, text
        )
