"""The steps of the demo. Everything goes through the command line and HTTP, as a distributor's
people would do it.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from shared import clock
from winback.demo import pipe, retail

PIPE, RETAIL = "three-forks-pipe", "online-retail"
READER = "you@winback.example"
# orders up to each of these days, then a run: so that signals have a past
RUNS_WEEKS_AGO = (26, 16, 8, 4, 3, 2, 1, 0)
RETAIL_SETTINGS = {
    "dormant": {"enabled": True, "gap_days": 90, "minimum_lifetime_revenue_cents": 200_000}
}
PIPE_SETTINGS = {
    "lapse": {"enabled": True, "minimum_revenue_cents": 4_000_000},
    "cherry_picking": {"enabled": True},
}
SENDING = {  # so that a demo at night shows letters too
    "replies": "door",
    "postal_address": "Three Forks Pipe, 1 Yard Road, Midland, TX 79701",
    "every_day": True,
    "from_hour": 0,
    "to_hour": 24,
    "first_after_least_seconds": 0,
    "first_after_most_seconds": 0,
    "gap_least_seconds": 0,
    "gap_most_seconds": 0,
}
ANSWERS = {  # what the mail sink can say -> in words
    "reply": "answers",
    "away": "is out of the office",
    "bounce": "is not at that address",
}
POLL_SECONDS = 0.2
RECOVERY_SECONDS = 20.0

screen = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, kw_only=True)
class Organization:
    """One tenant of the demo."""

    id: str
    name: str
    currency: str
    timezone: str
    settings: dict[str, Any]


ORGANIZATIONS = (
    Organization(
        id=PIPE,
        name="Three Forks Pipe",
        currency="USD",
        timezone="America/Chicago",
        settings=PIPE_SETTINGS,
    ),
    Organization(
        id=RETAIL,
        name="Online Retail",
        currency="GBP",
        timezone="Europe/London",
        settings=RETAIL_SETTINGS,
    ),
)


def tell(*, live_orders: int, seconds: float) -> None:
    """All of it, start to end. A step that fails ends the demo with its own exit code."""
    started = time.monotonic()
    heading(
        "The system: Apache Kafka, PostgreSQL, "
        "a mail sink and eight services, on this machine alone"
    )
    winback("dev", "up", "--detach")
    addresses = {service["name"]: service["url"] for service in ask("dev", "status")["services"]}
    with tempfile.TemporaryDirectory(prefix="winback-demo-") as folder:
        for organization in ORGANIZATIONS:
            if is_there(organization):
                screen.print(
                    f"{organization.name} is there from an earlier demo: its history is kept."
                )
            else:
                set_up(organization, Path(folder))
    shown = digest(PIPE)
    digest(RETAIL)
    sequence = letters()
    answers(addresses["smtp"], sequence)
    watch_live_orders(addresses["ingest"], clock.today("America/Chicago"), live_orders, seconds)
    stopped(sequence)
    audit()
    farewell(addresses, shown, time.monotonic() - started)


# -- history ---------------------------------------------------------------------------------------


def is_there(organization: Organization) -> bool:
    """An earlier demo made it."""
    return any(row["organization"] == organization.id for row in ask("organization", "list"))


def set_up(organization: Organization, folder: Path) -> None:
    """The tenant, its people and settings, its history."""
    heading(f"{organization.name}: a tenant, its people, its history")
    name, currency, timezone = organization.name, organization.currency, organization.timezone
    winback(
        "organization",
        "create",
        organization.id,
        "--name",
        name,
        "--currency",
        currency,
        "--timezone",
        timezone,
    )
    winback("member", "add", organization.id, READER, "--role", "owner")
    file = folder / f"{organization.id}-settings.json"
    file.write_text(json.dumps(organization.settings))
    winback("settings", "set", "--organization", organization.id, str(file))
    past = retail_past(folder) if organization.id == RETAIL else pipe_past(folder)
    for day, orders, shift in past:
        winback(
            "import",
            "orders",
            str(orders),
            "--organization",
            organization.id,
            "--shift-days",
            str(shift),
        )
        run = ask("run", "--organization", organization.id, "--as-of", day.isoformat(), "--wait")
        screen.print(
            f"  run as of {day}: {run['evaluated']:,} of {run['accounts']:,} accounts looked at, "
            f"{run['opened']} signals opened, {run['seen']} seen again, "
            f"{run['recovered']} recovered"
        )
        if organization.id == PIPE and day == past[-2][0]:
            digest(PIPE)  # last week's: this week's says new, still or back


Slice = tuple[
    date, Path, int
]  # run as of this day, after this file, whose days are shifted by so many


def pipe_past(folder: Path) -> list[Slice]:
    """Three Forks Pipe's orders in slices, one up to each day of a run; its
    contacts with the first.
    """
    screen.print(
        "An invented pipe distributor, its sizes and grades real (API 5CT, "
        "API 5L) and spelled in many ways."
    )
    contacts = folder / "contacts.csv"
    pipe.write_csv(contacts, pipe.contact_rows())
    winback("import", "contacts", str(contacts), "--organization", PIPE)
    winback("wait", "--organization", PIPE)  # runs wait for orders alone, drafts look for contacts
    rows = pipe.order_rows(clock.today("America/Chicago"))
    slices: list[Slice] = []
    after = date.min
    for day in run_days(clock.today("America/Chicago")):
        file = folder / f"orders-to-{day}.csv"
        pipe.write_csv(
            file, (row for row in rows if after < date.fromisoformat(row["ordered_on"]) <= day)
        )
        slices.append((day, file, 0))
        after = day
    return slices


def retail_past(folder: Path) -> list[Slice]:
    """Online Retail's orders in slices, one up to each day of a run."""
    import polars as pl

    today = clock.today("Europe/London")
    shift = retail.shift_days(today)
    lines, left_out = retail.named_lines()
    screen.print(f"Real orders: {retail.SOURCE}.")
    screen.print(
        f"{lines.height:,} lines; {left_out:,} more name no customer and stay out. "
        f"Days are shifted by {shift // 7} whole weeks."
    )
    slices: list[Slice] = []
    after = date.min
    for day in run_days(today):
        file = folder / f"invoices-to-{day}.csv"
        published_on = pl.col("ordered_on").str.to_date()
        up_to = day - timedelta(days=shift)
        lines.filter((published_on > after) & (published_on <= up_to)).write_csv(file)
        slices.append((day, file, shift))
        after = up_to
    return slices


def run_days(today: date) -> list[date]:
    """As of which days the past's runs are."""
    return [today - timedelta(weeks=weeks) for weeks in RUNS_WEEKS_AGO]


# -- what people get -------------------------------------------------------------------------------


def digest(organization: str) -> dict[str, Any]:
    """Send this week's digest; returns what it shows."""
    heading(f"{organization}: the digest")
    winback("digest", "send", "--organization", organization)
    shown: dict[str, Any] = ask("digest", "preview", "--organization", organization)
    for section in shown["sections"]:
        screen.print(f"  {section['type']:<15} {section['total']} accounts")
    return shown


def letters() -> str:
    """Launch this week's draft for who is dormant; wait for the first letters. Returns its id."""
    heading("Letters: a draft is launched; its letters leave from the rep's own address")
    of = ("--organization", PIPE)
    winback("sending", "allow", READER.partition("@")[2], *of)
    winback("sending", "vouch", READER, *of)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(SENDING, file)
        file.flush()
        winback("sending", "set", file.name, *of)
    until = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < until:
        drafts = [
            row
            for row in lines_of("sequences", "list", *of, "--state", "draft", "--json")
            if row["signal_type"] == "dormant" and row["enrolled"]
        ]
        if drafts:
            break
        time.sleep(POLL_SECONDS)
    else:
        raise SystemExit("no draft of a digest showed")
    sequence = str(drafts[0]["sequence"])
    screen.print("  Answers come to a door of ours: a mail to ourselves shows that they are heard.")
    dry = ("sequences", "launch", sequence, *of, "--sender", READER, "--dry-run")
    while time.monotonic() < until and not all(
        one["right"] for one in ask(*dry)["checks"] if one["check"] == "replies"
    ):
        time.sleep(POLL_SECONDS)
    winback("sequences", "launch", sequence, *of, "--sender", READER)
    while time.monotonic() < until:
        people = ask("sequences", "show", sequence, *of)["people"]
        if people and all(one["sent"] for one in people):
            break
        time.sleep(POLL_SECONDS)
    for one in ask("sequences", "show", sequence, *of)["people"]:
        screen.print(f"  letter to {one['email']}: {one['sent']} sent, {one['state']}")
    return sequence


def answers(mails: str, sequence: str) -> None:
    """Three of the contacts answer, each in another way, in the mail sink."""
    heading("Letters: what comes back to our door stops them, or lets them wait")
    coming = {one["account"] for one in coming_back()}
    people = ask("sequences", "show", sequence, "--organization", PIPE)["people"]
    silent = [one for one in people if one["sent"] and one["account"] not in coming]
    said = {}
    for one, (kind, does) in zip(silent, ANSWERS.items(), strict=False):
        with urllib.request.urlopen(f"{mails}/api/messages?to={one['email']}") as listed:  # noqa: S310 - our own sink
            letter = json.load(listed)["messages"][0]["id"]
        request = urllib.request.Request(  # noqa: S310 - our own sink
            f"{mails}/api/messages/{letter}/answer", json.dumps({"kind": kind}).encode()
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same address
            answer.read()
        said[one["account"]] = does
    for one in ask("sequences", "show", sequence, "--organization", PIPE)["people"]:
        if one["account"] in said:
            why = f", {one['reason']}" if one["reason"] else ""
            screen.print(f"  {one['email']} {said[one['account']]}: {one['state']}{why}")


def stopped(sequence: str) -> None:
    """What the live orders stopped of the letters."""
    heading("Letters: an order that answers one stops the rest of them")
    for one in ask("sequences", "show", sequence, "--organization", PIPE)["people"]:
        why = f", {one['reason']}" if one["reason"] else ""
        screen.print(f"  {one['account']}: {one['sent']} sent, {one['state']}{why}")


def watch_live_orders(ingest: str, today: date, count: int, seconds: float) -> None:
    """Orders over HTTP, one by one, and the recoveries they cause, with the time from 202 to what
    PostgreSQL says.
    """
    closing = coming_back()
    heading(f"Live: {count} orders over HTTP; {len(closing)} of them are waited for")
    if not closing:
        screen.print(
            "  Whoever could come back has; "
            "`winback dev reset --yes` before the next demo forgets it all."
        )
    token = ask(
        "token", "create", PIPE, "--name", f"demo-{int(time.time())}", "--scope", "orders:write"
    )["token"]
    first = int(time.time()) % 10_000_000  # another demo's orders are others
    for number, (order, signal) in enumerate(pipe.live_orders(today, count, closing), first):
        order["order"] = f"SO-{number}"
        post(f"{ingest}/v1/orders", token, order)
        if signal is not None:
            report_recovery(signal)
        time.sleep(seconds / count)


def coming_back() -> list[dict[str, Any]]:
    """A dormant signal and a lapse that are active, of two accounts: the planted ones, or in a
    later demo who is still away.
    """
    active = lines_of("signals", "--organization", PIPE, "--active", "--json")
    dormant = {row["account"]: row for row in active if row["type"] == "dormant"}
    lapsed = {
        row["account"]: row
        for row in reversed(active)
        if row["type"] == "lapse" and row["account"] not in dormant
    }
    return [
        of.get(planted) or of[min(of)]
        for of, planted in ((dormant, pipe.COMES_BACK), (lapsed, pipe.REORDERS))
        if of
    ]


def report_recovery(signal: dict[str, Any]) -> None:
    """Wait until the signal is recovered, and say how."""
    account, combo = signal["account"], signal.get("combo")
    what = f"{signal['type']} {combo['od']} {combo['grade']}" if combo else signal["type"]
    accepted = time.monotonic()
    while time.monotonic() - accepted < RECOVERY_SECONDS:
        for row in lines_of("signals", "--organization", PIPE, "--account", account, "--json"):
            if row["signal"] == signal["signal"] and row["recovered_at"]:
                screen.print(
                    f"  [bold]{account} ordered again[/]: {what}: recovered, {row['resolution']}"
                )
                return
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"the recovery of {account} did not show within {RECOVERY_SECONDS} s")


def audit() -> None:
    """The second opinion on both."""
    heading("The second opinion: the rules once more, as SQL over all orders")
    for organization in ORGANIZATIONS:
        winback("wait", "--organization", organization.id)
        winback("audit", "--organization", organization.id)


def farewell(addresses: dict[str, str], shown: dict[str, Any], seconds: float) -> None:
    """Where to look now."""
    heading(f"Ready after {seconds:.0f} s. Look at:")
    screen.print(f"  mails      {addresses['smtp']}")
    link = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, "sign-in", READER], check=True, capture_output=True, text=True
    ).stdout.strip()
    screen.print(f"  console    {link}  (signs {READER} in, once)", soft_wrap=True)
    for organization in ORGANIZATIONS:
        screen.print(f"  accounts   {addresses['console']}/o/{organization.id}/accounts")
    screen.print(f"  send yours {addresses['ingest']}/docs")
    screen.print(
        f"  {shown['recoverable_revenue_cents'] / 100:,.0f} USD recoverable at Three Forks Pipe. "
        "`make down` ends everything."
    )


# -- commands --------------------------------------------------------------------------------------

COMMAND = (sys.executable, "-m", "winback")


def heading(text: str) -> None:
    screen.print(f"\n[bold]{text}[/]")


def winback(*words: str) -> None:
    """Run a verb as a person would, its output shown."""
    screen.print(f"[dim]$ winback {' '.join(words)}[/]", soft_wrap=True)
    done = subprocess.run([*COMMAND, *words], check=False)  # noqa: S603 - our own command
    if done.returncode != 0:
        raise SystemExit(done.returncode)


def ask(*words: str) -> Any:
    """Run a verb with --json and return its answer."""
    done = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *words, "--json"], check=False, stdout=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout)


def lines_of(*words: str) -> list[dict[str, Any]]:
    """Run a verb that prints a JSON object a line."""
    done = subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
    return [json.loads(row) for row in done.stdout.splitlines()]


def post(url: str, token: str, body: Sequence[Any] | dict[str, Any]) -> None:
    """One request, as an ERP makes it."""
    request = urllib.request.Request(  # noqa: S310 - the address of our own ingest
        url,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310 - the same address
        answer.read()
