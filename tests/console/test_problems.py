"""What goes wrong is told as a page that says what to do, under the same headers as any other."""

import anyio
import httpx
import pytest
from fastapi import FastAPI

from services.signals.web.app import build
from services.signals.web.rendering import HEADERS
from shared import db
from tests.console.conftest import text_of
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
