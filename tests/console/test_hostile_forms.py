"""Every field of every form of the console, with what nobody types by accident.

Generated from the entries of test_every_route, which must have one for each route: a new form cannot be forgotten. Whatever is
sent, nothing answers 500; what is refused changes nothing, names the field, and keeps what else was typed; what is accepted holds
no character that hides or breaks lines, and comes back as text.
"""

import html
import re
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

from services.signals.web.forms import csrf_token
from tests.console.conftest import COOKIE
from tests.console.routes import Route
from tests.console.test_every_route import CASES, TENANT_TABLES, Ids, Two, everything
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
COSTLY = {"/o/{organization}/settings/try", "/o/{organization}/settings/replay"}  # read as /settings is, then worked out
FEW = ("NUL", "40 digits", "5,000 digits")
FORMS = sorted(route for route, case in CASES.items() if case.form)
UNSEEN = "\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff"
BREAKS = "\r\n"
UNTYPED = {"do", "edition", "version", "nobody-asked"}  # the page's own, and what it does not know
LINES = {"sequence_steps"}  # whose texts have more than one line


def pairs_of(form: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, str(one)) for name, value in form.items() for one in (value if isinstance(value, list) else [value])]


def send(world: Two, route: Route, ids: Ids, pairs: list[tuple[str, str]]) -> httpx.Response:
    """As a browser would, but for `RAW`, which goes as it is."""
    client = world.client("owner")
    path = route.path.replace(":path", "").format(
        organization=world.mine, account=ids.account, sequence=ids.sequence, digest=ids.digest, outcome=ids.outcome, kind="lost",
        link="no-link", token="no-token",
    )  # fmt: skip
    pairs = [*pairs, ("csrf", csrf_token(client.cookies.get(COOKIE) or ""))]
    body = "&".join(f"{quote_plus(name)}={value if value == RAW else quote_plus(value)}" for name, value in pairs)
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
    marked = re.search(rf'name="{re.escape(name)}"[^>]*aria-invalid="true"', answer.text) is not None
    word = re.split(r"[._-]", name)[-1 if "." in name else 0]
    return marked or word.rstrip("s") in alert(answer).lower()


@pytest.mark.parametrize("route", FORMS, ids=str)
def test_whatever_is_in_a_field_is_taken_as_text_or_refused_by_its_name(two: Two, route: Route) -> None:
    form = CASES[route].form
    assert form is not None
    two.client("owner")
    for name in [*form(two.there), "nobody-asked"]:
        if name == "nobody-asked":
            values = {"NUL": HOSTILE["NUL"]}
        else:
            values = {what: HOSTILE[what] for what in (FEW if route.path in COSTLY else HOSTILE)}
        state: dict[str, str] | None = None
        for what, value in values.items():
            case = f"{name}: {what}"
            if state is None:
                ids = two.fresh("owner")
                others = [(key, one) for key, one in pairs_of(form(ids)) if key != name]
                state = everything(two.connection, two.mine)
            answer = send(two, route, ids, [*others, *([] if value is None else [(name, value)])])
            before, state = state, everything(two.connection, two.mine)
            assert answer.status_code < 500, case
            assert "<script>alert(1)" not in answer.text, case
            if answer.status_code >= 400:
                assert state == before, f"{case}: refused with {answer.status_code}, and something changed"
            if answer.status_code == 422:
                assert name in UNTYPED or is_named(name, answer), f"{case}: {alert(answer)}"
                assert [one for _, one in others if one not in shown(answer)] == [], f"{case}: what else was typed is gone"
            if state != before:
                state = None  # used up
            if route.path == "/sign-out":
                two.forget("owner")
                two.client("owner")
    assert hidden_texts(two) == []
