"""The system's Chromium, kept off every network but this machine's own, and what a page may not do
while it is looked at.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

FLAGS = (
    "--no-sandbox",  # tests run as root in containers
    # nothing else is found, whoever asks
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--hide-scrollbars",  # a phone's; the width is then all the page's
)
WAIT_MS = 20_000.0  # a bound, not a wait: machines are shared


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser; contexts are cheap, browsers are not."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path is not None, (
        "these tests need Chromium: make setup-dev installs it, or names the command that does"
    )
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class Watched:
    """A context whose pages may ask their own origin alone, and must not make Chromium complain."""

    def __init__(self, browser: Browser, base_url: str, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(
            base_url=base_url, reduced_motion="reduce", **options
        )
        self.context.set_default_timeout(WAIT_MS)
        self.expected: set[str] = set()  # what a test provokes on purpose, as it begins
        self._own = urlsplit(base_url).netloc
        self._wrong: list[str] = []
        self.context.on("request", self._asked)
        self.context.on(
            "weberror", lambda error: self._wrong.append(f"script failed: {error.error}")
        )
        self.context.on("console", lambda said: self._said(said.type, said.text))

    def page(self) -> Page:
        return self.context.new_page()

    def begin(self, expected: tuple[str, ...]) -> None:
        """Another test's: what was seen so far is forgotten."""
        self.expected = set(expected)
        self._wrong.clear()

    def wrong(self) -> list[str]:
        """What was seen so far that may not be, the expected left out."""
        return [one for one in self._wrong if not any(text in one for text in self.expected)]

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != self._own:
            self._wrong.append(f"asked elsewhere: {request.url}")

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self._wrong.append(f"{kind}: {text}")
