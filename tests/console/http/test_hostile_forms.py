"""Every field of every form of the console, with what nobody types by accident.

Generated from the entries of test_every_route, which must have one for each route: a new form
cannot be forgotten, and what it answers to each value stands in hostile_answers. What is refused
changes nothing, names the field, and keeps what else was typed; what is accepted holds no character
that hides or breaks lines, and comes back as text.
"""

import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

from services.signals.console.http.forms import csrf_token
from tests.console.conftest import COOKIE
from tests.console.hostile_answers import (
    ANSWERS,
    APART,
    EVERY,
    FLASHED,
    NAMED,
    UNREADY,
    UNUSED,
    Answers,
)
from tests.console.routes import Route
from tests.console.test_every_route import CASES, TENANT_TABLES, Ids, Two, everything, furnished
from tests.console.test_every_route import two as two  # the fixture
from tests.signals.builders import rows

RAW = "%ff%fe%80"  # no UTF-8, as it stands in the body
HOSTILE: dict[str, str | None] = {
    "left out": None,
    "NUL": "a\0b",
    "line breaks": "a\r\nBcc: x@example.com",
    "right-to-left override": "a\u202eb",
    "zero width": "a\u200bb",
    "no UTF-8": RAW,
    "template code": "{{ 7 * 7 }}{% for x in y %}",
    "a script": "<script>alert(1)</script>\"'",
    "far too long": "x" * 100_000,
    "40 digits": "9" * 40,  # more than a column holds
    "5,000 digits": "9" * 5_000,  # more than Python reads
}
COSTLY = {
    "/o/{organization}/settings/try",
    "/o/{organization}/settings/replay",
}  # read as /settings is, then worked out
FEW = ("NUL", "40 digits", "5,000 digits")
FORMS = sorted(route for route, case in CASES.items() if case.form)
UNSEEN = "\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff"
BREAKS = "\r\n"
UNTYPED = {"do", "edition", "version", "once"}  # the page's own
LINES = {"sequence_steps"}  # whose texts have more than one line
STATUS: dict[int | str, int] = {
    NAMED: 200,
    FLASHED: 303,
    UNREADY: 422,
    APART: 422,
}  # refusals whose status does not say so


def pairs_of(form: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, str(one))
        for name, value in form.items()
        for one in (value if isinstance(value, list) else [value])
    ]


def send(world: Two, route: Route, ids: Ids, pairs: list[tuple[str, str]]) -> httpx.Response:
    """As a browser would, but for `RAW`, which goes as it is."""
    client = world.client("owner")
    path = route.path.replace(":path", "").format(
        organization=world.mine, account=ids.account, sequence=ids.sequence, digest=ids.digest,
        outcome=ids.outcome, follow_up=ids.follow_up, note=ids.note, kind="lost", link="no-link",
        token="no-token", secret="none",
    )  # fmt: skip
    pairs = [*pairs, ("csrf", csrf_token(client.cookies.get(COOKIE) or ""))]
    body = "&".join(
        f"{quote_plus(name)}={value if value == RAW else quote_plus(value)}"
        for name, value in pairs
    )
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    return client.post(path, content=body.encode(), headers=headers)


def hidden_texts(world: Two) -> list[Any]:
    """Rows of the organization that hold what nobody sees, or lines where there is one."""
    each = (
        f"SELECT '{table}', t::text FROM {table} t WHERE organization = %s"
        f" AND t::text ~ '[{UNSEEN if table in LINES else UNSEEN + BREAKS}]'"
        for table in TENANT_TABLES
    )
    return rows(world.connection, " UNION ALL ".join(each), *[world.mine] * len(TENANT_TABLES))


def shown(answer: httpx.Response) -> str:
    """As a reader sees it, with what stands in fields."""
    return html.unescape(answer.text)


def alert(answer: httpx.Response) -> str:
    """What the page says of what is wrong."""
    found = re.search(r'<div class="errs".*?</div>', answer.text, re.DOTALL) or re.search(
        r"<main.*?</main>", answer.text, re.DOTALL
    )
    return "" if found is None else html.unescape(re.sub(r"<[^>]+>", " ", found[0]))


def is_named(name: str, answer: httpx.Response) -> bool:
    """By the mark on the field, or in what the page says of it."""
    marked = (
        re.search(rf'name="{re.escape(name)}"[^>]*aria-invalid="true"', answer.text) is not None
    )
    word = re.split(r"[._-]", name)[-1 if "." in name else 0]
    return marked or word.rstrip("s") in alert(answer).lower()


@pytest.fixture
def world(two: Two) -> Iterator[Two]:
    """An organization that nobody else has filled or changed: what a form is
    answered depends on it.
    """
    there = furnished(two.connection)
    made = Two(two.connection, two.address, there.organization, two.theirs, there, two.there_too)
    yield made
    for client in made.clients.values():
        client.close()


def version_of(world: Two) -> str:
    """Of the settings as they are now."""
    return str(
        rows(
            world.connection,
            "SELECT max(version) FROM settings_versions WHERE organization = %s",
            world.mine,
        )[0][0]
    )


@pytest.mark.parametrize("route", FORMS, ids=str)
def test_whatever_is_in_a_field_is_taken_as_text_or_refused_by_its_name(
    world: Two, route: Route
) -> None:
    form = CASES[route].form
    assert form is not None
    fields = list(form(world.there))
    unused: Answers = {EVERY: CASES[route].status}
    answers = {name: ANSWERS[route].get(name, unused) for name in (*fields, UNUSED)}
    assert set(ANSWERS[route]) | {UNUSED} == {*fields, UNUSED}, (
        "each field has its answers, and no other"
    )
    world.client("owner")
    state: dict[str, str] | None = None
    for name in answers:
        for what, value in HOSTILE.items():
            if what not in answers[name] and (
                (name == UNUSED and what != "NUL") or (route.path in COSTLY and what not in FEW)
            ):
                continue
            case, wanted = f"{name}: {what}", answers[name].get(what, answers[name][EVERY])
            if state is None:
                ids = world.fresh("owner")
                state, version = everything(world.connection, world.mine), version_of(world)
            typed = [
                (key, version if key == "version" else one) for key, one in pairs_of(form(ids))
            ]
            others = [(key, one) for key, one in typed if key != name]
            answer = send(world, route, ids, [*others, *([] if value is None else [(name, value)])])
            before, state = state, everything(world.connection, world.mine)
            assert answer.status_code == STATUS.get(wanted, wanted), f"{case}: {alert(answer)}"
            assert "<script>alert(1)" not in answer.text, case
            if answer.status_code >= 400 or wanted in STATUS:
                assert state == before, f"{case}: refused, and something changed"
            if wanted in (422, NAMED):
                assert name in UNTYPED or is_named(name, answer), f"{case}: {alert(answer)}"
            if wanted == 422 and what != "no UTF-8":
                assert [
                    one for key, one in others if key not in UNTYPED and one not in shown(answer)
                ] == [], f"{case}: what else was typed is gone"
            if wanted == FLASHED:
                assert f"Not saved: a view's {name}" in shown(
                    world.client("owner").get(answer.headers["location"])
                ), case
            if state != before:
                state = None  # used up
            if route.path == "/sign-out":
                world.forget("owner")
                world.client("owner")
    assert hidden_texts(world) == []


def test_every_form_has_its_answers() -> None:
    assert sorted(ANSWERS) == FORMS
