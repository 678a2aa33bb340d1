"""The demo's distributor in a running stack, for people to work with: accounts with every type of
signal, a digest, drafts.

A story changes what it works with, so each has accounts of its own (below). Everything got in as a
distributor's data does: by the command line and over HTTP.
"""

import json
import secrets
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from services.signals.store import invitations, sign_in
from services.signals.store.invitations import Invitation
from shared import clock, db
from shared.kafka import Headers, Publisher
from shared.topics import ERP_ORDERS
from tests.eventually import eventually
from tests.stack_fixtures import Mailbox, Stack
from winback.demo import pipe
from winback.demo.story import PIPE_SETTINGS

ZONE = "America/Chicago"
AT_ONCE = {
    "replies": "by_hand",
    "postal_address": "1 Yard Road, Midland",
    "every_day": True,
    "from_hour": 0,
    "to_hour": 24,
    "first_after_least_seconds": 0,
    "first_after_most_seconds": 0,
    "gap_least_seconds": 0,
    "gap_most_seconds": 0,
}
OTHER_DAY = timedelta(weeks=1)
WAIT_SECONDS = 60.0

# Who is for what: caprock and the others in capitals are told of in winback/demo/pipe.py.
CAPROCK, SANDHILL, ARABIC, LONG, TWIN = "10104", "10142", "10155", "10163", "10166"  # dormant
PERMIAN, NORTH_DRAW, HORSEHEAD, IRONWOOD = "10482", "10204", "10233", "10241"  # lapses
GULF, COPPER, SALT_FORK = "10318", "10322", "10329"  # cherry-picking
HEALTHY = "20100"


@dataclass(frozen=True, kw_only=True)
class World:
    """A stack with two organizations: one with all that the demo has, one that has nothing yet."""

    stack: Stack
    organization: str
    name: str
    empty: str
    people: dict[str, str]  # role -> address; the owner is in both organizations
    token: str

    @property
    def console(self) -> str:
        url: str = self.stack.service("console")["url"]
        return url

    @property
    def mailbox(self) -> Mailbox:
        return self.stack.mailbox

    def path(self, page: str = "accounts") -> str:
        return f"/o/{self.organization}/{page}"

    def sign_in_link(self, email: str) -> str:
        """As `winback sign-in` prints it, for this console's address."""
        link = self.stack.winback("sign-in", email).stdout.strip()
        return self.console + link[link.index("/sign-in/") :]

    def invitation_to(self, email: str) -> str:
        """As the mail has it that asks them, for this console's address."""
        mail, *_ = eventually(lambda: self.mailbox.mails(to=email), what=f"a mail to {email}")
        text = str(mail["text"])
        return self.console + text[text.index("/invitation/") :].split()[0]

    def invitation(self) -> str:
        """The path that the mail of an invitation leads to."""
        now, secret = clock.now(), secrets.token_urlsafe(32)
        invitation = Invitation(
            organization=self.organization,
            email="bo@pipe.example",
            role="admin",
            with_digest=True,
            invited_by=self.people["owner"],
            invited_at=now,
            expires_at=now + timedelta(days=7),
        )
        with db.connect() as connection:
            invitations.set_invitation(
                connection, invitation, invitation_hash=sign_in.hashed(secret)
            )
        return f"/invitation/{self.organization}/{secret}"

    def send(self, *orders: dict[str, Any]) -> None:
        """As an ERP does it."""
        request = urllib.request.Request(
            f"{self.stack.service('ingest')['url']}/v1/orders",
            json.dumps(orders).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 202, answer.read()

    def answer_to(self, token: str) -> int:
        """The status that ingest gives to a batch of no orders with this token."""
        url = f"{self.stack.service('ingest')['url']}/v1/orders"
        return httpx.post(
            url, json=[], headers={"Authorization": f"Bearer {token}"}, timeout=30
        ).status_code

    def put_into_raw_topic(self, order: dict[str, Any]) -> None:
        """As an ERP's connector does it."""
        publisher = Publisher()
        try:
            headers: Headers = [("authorization", f"Bearer {self.token}".encode())]
            publisher.publish(ERP_ORDERS.name, json.dumps(order).encode(), headers=headers)
        finally:
            publisher.close()

    def order(
        self, account: str, *, od: str = "5 1/2", grade: str = "J55", dollars: str = "1250.00"
    ) -> dict[str, Any]:
        """Of today, for `send`."""
        line = {
            "product": f"{od} {grade} R3",
            "od": od,
            "grade": grade,
            "quantity": "50",
            "revenue": dollars,
        }
        today = clock.today(ZONE).isoformat()
        return {
            "order": f"SO-{secrets.token_hex(4)}",
            "account": account,
            "ordered_on": today,
            "lines": [line],
        }


def build(stack: Stack, folder: Path) -> World:
    """Two runs a week apart, a digest after the second; nothing runs by itself."""
    mark = secrets.token_hex(3)
    organization, empty = f"pipe-{mark}", f"new-{mark}"
    people = {role: f"{role}-{mark}@pipe.example" for role in ("owner", "admin", "member")}
    money = ("--currency", "USD", "--timezone", ZONE, "--no-schedules")
    stack.winback("organization", "create", organization, "--name", "Three Forks Pipe", *money)
    stack.winback("organization", "create", empty, "--name", "Fresh Start", *money)
    for role, email in people.items():
        stack.winback(
            "member",
            "add",
            organization,
            email,
            "--role",
            role,
            *(() if role == "owner" else ("--no-digest",)),
        )
    stack.winback("member", "add", empty, people["owner"], "--role", "owner", "--no-digest")
    settings, contacts, orders = (
        folder / "settings.json",
        folder / "contacts.csv",
        folder / "orders.csv",
    )
    settings.write_text(json.dumps(PIPE_SETTINGS))
    stack.winback("settings", "set", "--organization", organization, str(settings))
    today = clock.today(ZONE)
    pipe.write_csv(contacts, pipe.contact_rows())
    pipe.write_csv(orders, pipe.order_rows(today))
    stack.winback("import", "contacts", str(contacts), "--organization", organization)
    stack.winback("import", "orders", str(orders), "--organization", organization)
    # runs wait for orders alone, drafts look for contacts
    stack.winback("wait", "--organization", organization)
    for day in (today - OTHER_DAY, today):
        stack.winback("run", "--organization", organization, "--as-of", day.isoformat(), "--wait")
    stack.winback("digest", "send", "--organization", organization)
    made = stack.winback(
        "token", "create", organization, "--name", "erp", "--scope", "orders:write", "--json"
    )
    world = World(
        stack=stack,
        organization=organization,
        name="Three Forks Pipe",
        empty=empty,
        people=people,
        token=json.loads(made.stdout)["token"],
    )
    eventually(lambda: world.mailbox.mails(people["owner"]), seconds=WAIT_SECONDS, what="a digest")
    launch_dormant(stack, organization, people["owner"])
    return world


def launch_dormant(stack: Stack, organization: str, sender: str) -> None:
    """One of the drafts runs, at once and at any hour."""
    of = ("--organization", organization)

    def drafts() -> dict[str, str]:
        listed = stack.winback("sequences", "list", *of, "--json").stdout.splitlines()
        return {row["signal_type"]: row["sequence"] for row in map(json.loads, listed)}

    eventually(lambda: len(drafts()) == 3, seconds=WAIT_SECONDS, what="three drafts")
    stack.winback("sending", "allow", "pipe.example", *of)
    stack.winback("sending", "vouch", sender, *of)
    stack.winback("sending", "set", *of, stdin=json.dumps(AT_ONCE))
    stack.winback("sequences", "launch", drafts()["dormant"], *of, "--sender", sender)
