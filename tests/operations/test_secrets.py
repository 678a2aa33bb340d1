"""Nothing secret is said: errors are provoked with every kind of secret in play, and all that is
said then is searched for them.
"""

import json
import secrets
import signal
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from services.signals.actions import sign_in, tokens
from services.signals.actions.actor import COMMAND_LINE
from services.signals.store import organizations
from shared import db, kafka
from shared.settings import settings
from shared.topics import ERP_ORDERS, dead_letters_of
from tests.console.conftest import COOKIE
from tests.eventually import eventually
from tests.ingest.door import records
from tests.operations.told import NOWHERE, Told, look, serving
from tests.stack_fixtures import Stack
from winback.serve import Service


def test_no_process_says_a_password_while_all_that_it_needs_is_away(
    stack: Stack, tmp_path: Path
) -> None:
    told = Told()
    password = told.new("the password of PostgreSQL")
    env = {
        "kafka": NOWHERE,
        "database_url": f"postgresql://winback:{password}@{NOWHERE}/winback",
        "smtp_url": f"smtp://winback:{told.new('the password of the mail server')}@{NOWHERE}",
        "secret": told.new("the secret"),
        "erp_tokens": json.dumps({ERP_ORDERS.name: told.new("the token of the raw topic")}),
        "state_dir": str(tmp_path / "state"),
    }
    with ExitStack() as running:
        addresses = [
            running.enter_context(serving(told, one, tmp_path, env, end=signal.SIGKILL)).address
            for one in Service
        ]
        for address in addresses:
            look(told, address, "/readyz", 503)
            look(told, address, "/metrics", 200)
    assert [where for where, text in told.texts.items() if not text] == []
    assert told.leaks() == []


@pytest.fixture
def people(stack: Stack, organization: str) -> str:
    with db.connect() as connection:
        organizations.set_member(connection, organization, f"ana@{organization}.example", "owner")
    return f"ana@{organization}.example"


def test_tokens_sessions_and_links_are_in_no_log_no_error_no_metric_and_no_dead_letter_shown(
    stack: Stack, organization: str, people: str, tmp_path: Path
) -> None:
    told = Told()
    with db.connect() as connection:
        good = told.secret["a token"] = tokens.create(
            connection, organization, name="erp", scopes=["orders:write"], by=COMMAND_LINE
        )
        link = sign_in.make_link(connection, people, "").rpartition("/")[2]
    told.secret["a sign-in link"] = link
    told.secret["the password of PostgreSQL"] = urlsplit(
        settings().database_url
    ).password or told.new("no password")
    gone = told.secret["a token that is none"] = f"wb_{secrets.token_hex(20)}"
    env = {
        "smtp_url": f"smtp://winback:{told.new('the password of the mail server')}@{NOWHERE}",
        "secret": told.new("the secret"),
    }
    with ExitStack() as running:
        ingest = running.enter_context(serving(told, Service.INGEST, tmp_path, env)).address
        console = running.enter_context(serving(told, Service.CONSOLE, tmp_path, env)).address
        for address in (ingest, console):
            look(told, address, "/readyz", 200)
        provoke_ingest(told, ingest, good, gone)
        provoke_console(told, console, organization, people, link)
        put_aside(told, stack, gone)
        for address in (ingest, console):
            look(told, address, "/metrics", 200)
    assert told.leaks() == []


def provoke_ingest(told: Told, address: str, good: str, gone: str) -> None:
    wrong = {
        "no JSON": (good, b"{"),
        "a wrong order": (good, b'{"order":"x"}'),
        "a token in the body": (good, good.encode()),
        "a token that is none": (gone, b"{}"),
    }
    for what, (token, body) in wrong.items():
        answer = httpx.post(
            f"{address}/v1/orders",
            content=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        assert 400 <= answer.status_code < 500, what
        told.texts[f"ingest, {what}"] = answer.text + str(answer.headers)
    told.texts["ingest, nothing there"] = httpx.get(
        f"{address}/nowhere", params={"token": gone}, timeout=30
    ).text


def provoke_console(told: Told, address: str, organization: str, email: str, link: str) -> None:
    with httpx.Client(
        base_url=address, timeout=60, headers={"Sec-Fetch-Site": "same-origin"}
    ) as person:
        told.texts["the mail server is away"] = person.post("/sign-in", data={"email": email}).text
        assert person.post(f"/sign-in/{link}").status_code == 303
        told.secret["a session"] = person.cookies[COOKIE]
        told.texts["the link again"] = person.post(f"/sign-in/{link}").text
        own = f"/o/{organization}/accounts"
        for path in (f"{own}?sort=nonsense", f"{own}/none", "/o/nobody/accounts", "/nowhere"):
            told.texts[f"console, {path}"] = person.get(path).text
        told.texts["a form without its token"] = person.post(
            f"/o/{organization}/settings", data={}
        ).text
        told.texts["the API with a session"] = person.get("/v1/signals").text


def put_aside(told: Told, stack: Stack, token: str) -> None:
    """A record of the raw topic with a token that is none becomes a dead letter; replaying it needs
    the header as it was.
    """
    publisher = kafka.Publisher()
    marker = secrets.token_hex(8).encode()
    publisher.publish(
        ERP_ORDERS.name, marker, headers=[("Authorization", f"Bearer {token}".encode())]
    )
    publisher.close()
    dead = dead_letters_of(ERP_ORDERS.name)
    found = eventually(
        lambda: [record for record in records(dead, 0) if record.value == marker],
        what="its dead letter",
    )
    assert dict(found[0].headers)["Authorization"] == f"Bearer {token}".encode()
    place = f"{dead}/0/{found[0].offset}"
    told.texts["dead-letters list"] = stack.winback(
        "dead-letters", "list", "--topic", ERP_ORDERS.name
    ).stdout
    for words in ([], ["--json"]):
        shown = stack.winback("dead-letters", "show", place, *words).stdout
        assert "Authorization" in shown
        told.texts[f"dead-letters show {words}"] = shown
