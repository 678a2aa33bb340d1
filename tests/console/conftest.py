"""The console as its process serves it, and browsers that are signed in to it.

browser     makes one: browser(organization, role="owner") -> Browser; `get`, `post` (with the
            session's token), `cross_post`
connection  as the worker, in autocommit
tenant      a fresh organization with default settings and no schedules
"""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from services.signals.actions import sign_in
from services.signals.console.http.forms import csrf_token
from services.signals.store import organizations
from shared import db
from tests.signals.conftest import at, make_tenant  # noqa: F401 # `at` is a fixture
from tests.signals.serving import console_served
from tests.stack_fixtures import Stack

BASE = "http://127.0.0.1"  # of links; the browser asks for their paths
COOKIE = "winback_session"

MakeBrowser = Callable[..., "Browser"]


class Browser:
    """A person's browser at the console; redirects are not followed."""

    def __init__(self, client: httpx.Client, email: str) -> None:
        self.client, self.email = client, email

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        """As our own pages post."""
        session = self.client.cookies.get(COOKIE)
        token = {"csrf": csrf_token(session)} if session else {}
        return self.client.post(
            path, data=token | (data or {}), headers={"Sec-Fetch-Site": "same-origin"}, **options
        )

    def cross_post(self, path: str, data: dict[str, Any] | None = None) -> httpx.Response:
        """As another site's page posts, should the cookie come along."""
        return self.client.post(path, data=data, headers={"Sec-Fetch-Site": "cross-site"})


@pytest.fixture(scope="session")
def address(stack: Stack) -> Iterator[str]:
    """The console, served as its process does."""
    with console_served() as served:
        yield served


@pytest.fixture
def connection(stack: Stack) -> Iterator[db.Connection]:
    with db.connect() as opened:
        opened.autocommit = True
        yield opened


@pytest.fixture
def tenant(connection: db.Connection) -> str:
    return make_tenant(connection)


@pytest.fixture
def browser(address: str, connection: db.Connection) -> Iterator[MakeBrowser]:
    """browser() is of nobody; browser(organization, role) of a new member of
    it, signed in by a link.
    """
    with ExitStack() as opened:

        def make(
            organization: str | None = None, role: str = "owner", *, email: str | None = None
        ) -> Browser:
            client = opened.enter_context(httpx.Client(base_url=address, timeout=30))
            made = Browser(client, email or f"{role}-{secrets.token_hex(4)}@example.com")
            if organization is not None:
                with connection.transaction():
                    organizations.set_member(connection, organization, made.email, role)
                    link = sign_in.make_link(connection, made.email, BASE)
                assert made.post(urlsplit(link).path).status_code == 303
            return made

        yield make


def text_of(response: httpx.Response) -> str:
    """What a page says, without its tags; blanks are one."""
    body = re.sub(r"<svg hidden>.*?</svg>|<!--.*?-->", " ", response.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())
