"""Pictures of every page in every state, and of the mails, to be looked at: phone and desk, light
and dark, from the demo's data.

    make screenshots [LOOKS="accounts settings"]     into .winback/screenshots/

Uses the demo that runs on this machine, and starts it where none does. What acts on a page only
types, it saves nothing.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal
from urllib.request import urlopen

from playwright.sync_api import Browser
from playwright.sync_api import Error as BrowserError

from tests.console.browser.chromium import Watched, chromium
from tests.console.browser.pages import Look, go, looks
from winback.demo.story import PIPE, READER
from winback.stack import home

FOLDER = Path(".winback/screenshots")
SIZES = ((1280, 900), (390, 844))
MAIL_WIDTHS = (600, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TALLEST = 4_000
SETTLE_MS = 400
MEMBER, EMPTY = "member@winback.example", "fresh-start"


class Demo:
    """The running demo as the pages' world."""

    organization, empty = PIPE, EMPTY
    people = {"owner": READER, "member": MEMBER}  # noqa: RUF012 - read alone

    def __init__(self) -> None:
        if PIPE not in {
            row["organization"] for row in _ask("organization", "list", check=False) or []
        }:
            _winback("demo")
        home.load_env()  # its secret signs the link that unsubscribes
        self.addresses = {
            service["name"]: service["url"] for service in _ask("dev", "status")["services"]
        }
        self.console: str = self.addresses["console"]
        if EMPTY not in {row["organization"] for row in _ask("organization", "list")}:
            _winback(
                "organization",
                "create",
                EMPTY,
                "--name",
                "Fresh Start",
                "--currency",
                "USD",
                "--timezone",
                "America/Chicago",
            )
            _winback("member", "add", EMPTY, READER, "--role", "owner", "--no-digest")
            _winback("member", "add", PIPE, MEMBER, "--role", "member", "--no-digest")

    def sign_in_link(self, email: str) -> str:
        link = _winback("sign-in", email).strip()
        return self.console + link[link.index("/sign-in/") :]

    def mails(self) -> dict[str, str]:
        """name, by the subject -> address of the mail as JSON."""
        listed = json.load(urlopen(f"{self.addresses['smtp']}/api/messages", timeout=10))[
            "messages"
        ]
        return {
            re.sub(r"[^a-z0-9]+", "-", mail["subject"].lower()).strip(
                "-"
            ): f"{self.addresses['smtp']}/api/messages/{mail['id']}"
            for mail in listed
        }


def main(names: list[str]) -> None:
    """Take them; whatever a page complains of is told."""
    demo = Demo()
    FOLDER.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with chromium() as browser:
        kept = {role: _signed_in(browser, demo, email) for role, email in demo.people.items()}
        for look in looks():
            if names and look.name not in names:
                continue
            for width, height in SIZES:
                for scheme in SCHEMES:
                    state = None if look.role is None else kept[look.role]
                    options = {
                        "storage_state": state,
                        "viewport": {"width": width, "height": height},
                        "color_scheme": scheme,
                    }
                    watched = Watched(browser, demo.console, **options)
                    watched.expected.update(look.expecting)
                    _take(watched, look, demo, FOLDER / f"{look.name}-{width}-{scheme}.png", width)
                    watched.context.close()
        for name, address in demo.mails().items() if not names or "mails" in names else ():
            html = json.load(urlopen(address, timeout=10))["html"]
            for width in MAIL_WIDTHS:
                for scheme in SCHEMES:
                    page = browser.new_page(
                        viewport={"width": width, "height": 800}, color_scheme=scheme
                    )
                    page.set_content(html)
                    page.screenshot(
                        path=FOLDER / f"mail-{name}-{width}-{scheme}.png", full_page=True
                    )
                    page.close()
    print(
        f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER} after "
        f"{time.monotonic() - began:.0f} s"
    )


def _take(watched: Watched, look: Look, demo: Demo, file: Path, width: int) -> None:
    """As tall as the page, so that what sticks to an edge stands where it stands."""
    page = watched.page()
    try:
        go(page, look, demo)  # type: ignore[arg-type] # it has what paths are filled from
    except (BrowserError, AssertionError) as error:
        print(f"{file.name}: not there: {str(error).splitlines()[0]}")
        return
    page.wait_for_timeout(SETTLE_MS)
    tall = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(tall, 844), TALLEST)})
    page.screenshot(path=file)
    for wrong in watched.wrong():
        print(f"{file.name}: {wrong}")


def _signed_in(browser: Browser, demo: Demo, email: str) -> Any:
    context = browser.new_context(base_url=demo.console)
    page = context.new_page()
    page.goto(demo.sign_in_link(email))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()
    state = context.storage_state()
    context.close()
    return state


def _winback(*words: str, check: bool = True) -> str:
    return subprocess.run(
        [sys.executable, "-P", "-m", "winback", *words],
        check=check,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def _ask(*words: str, check: bool = True) -> Any:
    said = _winback(*words, "--json", check=check)
    return json.loads(said) if said.strip().startswith(("[", "{")) else None


if __name__ == "__main__":
    main(sys.argv[1:])
