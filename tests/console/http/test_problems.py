"""What goes wrong is told as a page that says what to do, under the same headers as any other."""

import anyio
import httpx
import pytest
from fastapi import FastAPI

from services.signals.console.app import build
from services.signals.console.http.rendering import HEADERS
from shared import db
from tests.console.conftest import MakeBrowser, text_of
from tests.stack_fixtures import Stack


def test_a_bug_is_a_page_too_and_reaches_the_log(stack: Stack) -> None:
    with db.pool("winback_app") as pool:
        app = build(pool)

        @app.get("/o/{organization}/broken")
        def broken(organization: str) -> None:
            raise ZeroDivisionError(organization)

        answer = anyio.run(_get, app, "/o/acme/broken", False)
        assert answer.status_code == 500 and "text/html" in answer.headers["content-type"]
        assert "the fault is ours" in text_of(answer) and "ZeroDivisionError" not in answer.text
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        with pytest.raises(ZeroDivisionError):  # it goes on to the server, which logs it
            anyio.run(_get, app, "/o/acme/broken", True)


async def _get(app: FastAPI, path: str, raises: bool) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=raises)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(path)


@pytest.mark.parametrize(("path", "words"), [
    ("orders?before=x", "before: is no place among the orders"),
    ("summary?month=November", "month: is no month: write it like 2026-11"),
    ("sequences?state=lost", "state: is one of drafts, running, finished and archived"),
])  # fmt: skip
def test_a_parameter_that_cannot_be_is_told_in_words(
    browser: MakeBrowser, tenant: str, path: str, words: str
) -> None:
    answer = browser(tenant).get(f"/o/{tenant}/{path}")
    assert answer.status_code == 422 and words in text_of(answer) and "pattern" not in answer.text


def test_what_was_left_to_be_said_waits_for_a_page_that_is_no_problem(
    browser: MakeBrowser, tenant: str
) -> None:
    ana = browser(tenant)
    ana.post(f"/o/{tenant}/views", {"name": "Calls", "query": "?only=call"})
    assert "Saved as Calls" not in ana.get(f"/o/{tenant}/orders?before=x").text
    assert "Saved as Calls." in ana.get(f"/o/{tenant}/orders").text
    assert "Saved as Calls" not in ana.get(f"/o/{tenant}/orders").text
