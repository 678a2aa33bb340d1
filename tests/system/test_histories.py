"""Real order histories through the command line, real Kafka and PostgreSQL, against the oracle: to
the cent and the day.

Each history is told twice: to the running services by `winback import` and `winback run`, and to
the oracle by hand.
"""

import json
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from typer.testing import CliRunner

from shared import db
from shared.domain.thresholds import DEFAULTS, checked
from shared.events import Order, RunRequested
from tests.oracle.histories import block
from tests.oracle.oracle import Oracle, as_json
from tests.stack_fixtures import Stack
from tests.system import real_orders
from tests.system.real_orders import Invoice
from winback.cli import app

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMES = ("detected_at", "last_seen_at", "recovered_at", "closed_at")
FIRST_RUN, LAST_RUN = date(2011, 3, 6), date(2011, 12, 11)
STEP = timedelta(weeks=6)

SETTINGS: dict[str, Any] = {
    "dormant": {"gap_days": 60, "minimum_lifetime_revenue_cents": 500_00},
    "lapse": {
        "enabled": True,
        "lapse_days": 60,
        "history_days": 240,
        "minimum_revenue_cents": 60_00,
        "minimum_months": 2,
    },
    "cherry_picking": {
        "enabled": True,
        "window_days": 180,
        "minimum_revenue_cents": 300_00,
        "share_percent": "55",
    },
}
OTHER_SETTINGS: dict[str, Any] = {
    "dormant": {"minimum_lifetime_revenue_cents": 900_00},
    "lapse": {"minimum_revenue_cents": 75_00},
    "cherry_picking": {"share_percent": "50", "minimum_od": "5.5"},
    "grade_aliases": {"J55": "K55"},
    "sizes": {"6 SCH 40": "6.625"},
}

COUNTING_ORDERS = """
SELECT order_id, account, counts_on, revision, cancelled, revenues_cents
FROM orders
WHERE organization = %s
"""


class Told:
    """One organization, to which everything is told twice."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.organization = f"history-{uuid.uuid4().hex[:8]}"
        self._stack = stack
        self._folder = folder
        self._oracle = Oracle()
        self._settings, self._settings_version = DEFAULTS, 1
        self._detected: dict[str, str] = {}
        self._winback(
            "organization", "create", self.organization, "--name", "Histories", "--currency", "GBP",
            "--timezone", "Europe/London", "--no-schedules", of_organization=False,
        )  # fmt: skip

    def settings(self, patch: dict[str, Any]) -> None:
        file = self._folder / "settings.json"
        file.write_text(json.dumps(patch))
        self._settings = checked(patch, self._settings)
        self._settings_version = self._winback_json("settings", "set", str(file))["version"]

    def deliver(self, invoices: Sequence[Invoice]) -> None:
        """One file. An order stands in it once."""
        assert len({invoice.order for invoice in invoices}) == len(invoices)
        file = self._folder / f"{uuid.uuid4().hex}.csv"
        written = real_orders.write(file, invoices)
        told = self._winback_json("import", "orders", str(file))
        assert (told["orders"], told["lines"]) == (
            len(written),
            sum(len(invoice.rows) for invoice in written),
        )
        assert told["rejected"] == 0
        self._oracle.record(
            block([invoice.accepted(self.organization) for invoice in written]), at=NOON
        )

    def run(self, day: date) -> None:
        told = self._winback_json("run", "--as-of", str(day), "--wait")
        event = RunRequested(
            organization=self.organization,
            number=told["run"],
            as_of=day,
            settings_version=self._settings_version,
            settings=self._settings,
            reason="manual",
            requested_at=NOON,
        )
        self._oracle.record(event, at=NOON)

    def check(self) -> list[dict[str, Any]]:
        """Both say the same, and the audit finds nothing. Returns the signals."""
        self._winback("wait", "--timeout", "120")
        listed = [json.loads(line) for line in self._winback("signals", "--json").splitlines()]
        for signal in listed:
            self._check_times(signal)
        said = [without_times(signal) for signal in listed]
        expected = [as_json(signal) for signal in self._oracle.signals(self.organization).values()]
        assert in_order(said) == in_order(expected)
        assert persisted_orders(self.organization) == {
            one.order: essence(one) for one in self._oracle.orders(self.organization)
        }
        assert self._winback_json("audit")["differences"] == []
        return listed

    def _check_times(self, signal: dict[str, Any]) -> None:
        assert signal["detected_at"] == self._detected.setdefault(
            signal["signal"], signal["detected_at"]
        )
        assert signal["detected_at"] <= signal["last_seen_at"]
        last = signal["episodes"][-1]
        assert (signal["recovered_at"], signal["resolution"]) == (
            last["closed_at"],
            last["resolution"],
        )

    def _winback(self, *words: str, of_organization: bool = True) -> str:
        """Imports in a process of their own; what else is asked in this one: each start costs as
        much as the answer.
        """
        options = ("--organization", self.organization) if of_organization else ()
        if words[0] == "import":
            return self._stack.winback(*words, *options).stdout
        done = CliRunner().invoke(app, [*words, *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    def _winback_json(self, *words: str) -> Any:
        return json.loads(self._winback(*words, "--json"))


def test_a_year_told_bit_by_bit_says_what_the_oracle_says(services: Stack, tmp_path: Path) -> None:
    told = Told(services, tmp_path)
    told.settings(SETTINGS)
    waiting = troubled(real_orders.invoices())
    day = FIRST_RUN
    while day <= LAST_RUN:
        arrived = [(at, invoice) for at, invoice in waiting if at <= day]
        waiting = [(at, invoice) for at, invoice in waiting if at > day]
        for file in files_of([invoice for _, invoice in arrived]):
            told.deliver(file)
        if day == FIRST_RUN + 3 * STEP:
            told.settings(OTHER_SETTINGS)
        told.run(day)
        if day.month % 2:
            told.check()
        day += STEP
    assert seen(told.check()) >= {
        ("dormant", None), ("dormant", "reordered"), ("dormant", "settings"),
        ("lapse", None), ("lapse", "reordered"), ("lapse", "correction"), ("lapse", "superseded"),
        ("lapse", "aged_out"), ("cherry_picking", None), ("cherry_picking", "reordered"),
        ("cherry_picking", "correction"), ("cherry_picking", "aged_out"),
    }  # fmt: skip


def test_a_shuffled_history_with_kills_ends_where_the_orderly_one_does(
    services: Stack, tmp_path: Path
) -> None:
    chance = Random(20110306)
    versions = [invoice for _, invoice in troubled(real_orders.invoices())]
    versions += chance.sample(versions, k=len(versions) // 5)
    chance.shuffle(versions)
    told = Told(services, tmp_path)
    told.settings(SETTINGS)
    files = files_of(versions)
    third = len(files) // 3 + 1
    for place, file in enumerate(files):
        told.deliver(file)
        if place == third:
            services.kill("detector")  # its disk stays
        if place == 2 * third:
            kill_and_wipe(services)
        if place % 2:
            told.run(FIRST_RUN + timedelta(weeks=4 * place))
    services.kill("signals")
    told.run(LAST_RUN)
    kill_and_wipe(services)
    told.check()
    services.wait_ready("detector")
    told.run(LAST_RUN + STEP)
    told.check()


def persisted_orders(organization: str) -> dict[str, Any]:
    """The counting version of each order, as PostgreSQL has it."""
    with db.connect() as connection:
        return {row[0]: row[1:] for row in connection.execute(COUNTING_ORDERS, (organization,))}


def essence(order: Order) -> tuple[Any, ...]:
    """What the rules look at."""
    cents = [line.revenue_cents for line in order.lines]
    return order.account, order.counts_on, order.revision, order.cancelled, cents


def kill_and_wipe(stack: Stack) -> None:
    """kill -9, and its disk is gone before it is back."""
    disk = Path(stack.env["WINBACK_STATE_DIR"])
    wiped = disk.with_name(f"wiped-{uuid.uuid4().hex}")
    stack.kill("detector")
    disk.rename(wiped)
    shutil.rmtree(wiped)


def troubled(invoices: list[Invoice]) -> list[tuple[date, Invoice]]:
    """(the day on which it arrives, a version): some late, twice, corrected, cancelled or moved; by
    the day of arrival.
    """
    accounts = sorted({invoice.account for invoice in invoices})
    arriving: list[tuple[date, Invoice]] = []
    for place, invoice in enumerate(invoices):
        day = invoice.ordered_on
        arriving.append((day + STEP * 2 if place % 19 == 0 else day, invoice))
        if place % 7 == 0:
            arriving.append((day + STEP, invoice))
        if place % 11 == 0:
            half = replace(invoice, revision=2, rows=invoice.rows[: (len(invoice.rows) + 1) // 2])
            arriving.append((day + timedelta(days=40), half))
        if place % 13 == 0:
            arriving.append(
                (day + timedelta(days=90), replace(invoice, revision=3, cancelled=True))
            )
        if place % 17 == 0:
            moved = replace(invoice, revision=4, account=accounts[place % len(accounts)])
            arriving.append((day + timedelta(days=100), moved))
    return sorted(arriving, key=lambda arrival: arrival[0])


def files_of(versions: Sequence[Invoice]) -> list[list[Invoice]]:
    """As few files as hold an order once each, in this order."""
    files: list[list[Invoice]] = []
    where: dict[str, int] = {}
    for invoice in versions:
        place = where.get(invoice.order, -1) + 1
        where[invoice.order] = place
        while len(files) <= place:
            files.append([])
        files[place].append(invoice)
    return files


def without_times(signal: dict[str, Any]) -> dict[str, Any]:
    """As the oracle prints it: days and figures."""
    kept = {
        name: value
        for name, value in signal.items()
        if name not in (*TIMES, "signal", "organization")
    }
    kept["active"] = signal["recovered_at"] is None
    kept["episodes"] = [
        {name: value for name, value in one.items() if name not in TIMES}
        for one in signal["episodes"]
    ]
    return kept


def in_order(signals: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(signal, sort_keys=True) for signal in signals)


def seen(signals: list[dict[str, Any]]) -> set[tuple[str, str | None]]:
    """How episodes ended, by type."""
    return {
        (signal["type"], episode["resolution"])
        for signal in signals
        for episode in signal["episodes"]
    }
