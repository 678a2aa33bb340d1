"""What must hold, looked at after the faults: R, H and M.

R   signals and figures equal what SQL over the raw orders says, and where it was told, those of an
    undisturbed twin
H   what was acknowledged is in the log, in the read model, and in the detector's state rebuilt from
    its changelog; once each
M   every digest that was due is at the mail sink, at most twice, under one Message-ID

H does not take the signals' word for it: a loss can hide behind signals that look right. An order's
counting version is worked out here from the log, and both the read model and the state must hold
exactly that one.
"""

import json
import urllib.request
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.signals.actions import runs
from services.signals.cli.audit import patiently
from services.signals.progress import run as waiting
from services.signals.progress.caught_up import wait_until_caught_up
from services.signals.second_opinion import audit
from services.signals.store import listing
from shared import db, mail
from shared.events import Order
from shared.ids import derived
from winback.chaos import log, store
from winback.chaos.erp import ACTOR, insist
from winback.chaos.history import History, Version, in_order

CATCH_UP_SECONDS = 300.0
MOST_COPIES = 2  # of one mail: the second only where the server's answer, or the sender, was lost
CONTENT_BYTES = 16  # of an order's hash, as the state keeps it
NOT_THE_SAME = (
    "detected_at",
    "last_seen_at",
    "recovered_at",
    "closed_at",
    "signal",
    "organization",
    "settings_version",
)


@dataclass
class Findings:
    """What does not hold, one line each."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        """All of both."""
        self.lost += other.lost
        self.doubled += other.doubled
        self.differing += other.differing

    @property
    def all(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.differing]


def settle(history: History, *, as_of: date | None = None) -> date:
    """Until everything is detected and persisted, then a last run, so that no account has newer
    orders. Returns its day.
    """
    organization = history.organization
    wait_until_caught_up(organization, timeout_seconds=CATCH_UP_SECONDS)

    def ask() -> tuple[int, date]:
        with db.connect() as connection:
            return runs.ask(connection, organization, as_of=as_of, by=ACTOR)

    number, day = insist(ask)
    waiting.wait_for_run(organization, number, timeout_seconds=CATCH_UP_SECONDS)
    history.runs.append(number)
    wait_until_caught_up(organization, timeout_seconds=CATCH_UP_SECONDS)
    return day


def settled(history: History) -> Findings:
    """R and H of an organization after `settle`."""
    found = Findings()
    found.add(recomputed(history.organization))
    found.add(contained(history))
    return found


# -- R ---------------------------------------------------------------------------------------------


def recomputed(organization: str) -> Findings:
    """The second opinion over all accounts; and the read model's sums against its own orders."""
    with db.connect() as connection:
        report = patiently(lambda: audit.differences(connection, organization))
        differing = [f"R {organization}: {difference}" for difference in report.differences]
        if report.touched:
            differing.append(
                f"R {organization}: {report.touched} accounts could not be compared: "
                "they have newer orders"
            )
        differing += [
            f"R {organization}: lifetime of {account} is kept as {kept}, "
            f"its orders sum up to {summed}"
            for account, kept, summed in store.wrong_lifetimes(connection, organization)
        ]
        if doubled := store.episodes_doubled(connection, organization):
            differing.append(f"R {organization}: {doubled} episodes are open beneath later ones")
    return Findings(differing=differing)


def compared(organization: str, twin: str, *, active_only: bool = False) -> Findings:
    """Signals, figures, episodes and resolutions of two organizations that were told
    the same; `active_only`: in another order, after which only the active signals and
    their figures must agree.
    """
    with db.connect() as connection:
        one, other = (
            Counter(
                _essence(signal, active_only)
                for signal in listing.signals(connection, name, active=active_only)
            )
            for name in (organization, twin)
        )
    differing = [
        f"R {organization}: only here, not in its twin: {line}" for line in (one - other).elements()
    ]
    differing += [
        f"R {organization}: only in its twin {twin}: {line}" for line in (other - one).elements()
    ]
    return Findings(differing=differing)


def _essence(signal: dict[str, Any], active_only: bool) -> str:
    """Without times, and without ids that name the organization."""
    leave_out = {*NOT_THE_SAME, *(("episode", "episodes", "opened_on") if active_only else ())}
    kept = {name: value for name, value in signal.items() if name not in leave_out}
    if not active_only:
        kept["active"] = signal["recovered_at"] is None
        kept["episodes"] = [
            {n: v for n, v in episode.items() if n not in leave_out}
            for episode in signal["episodes"]
        ]
    return json.dumps(kept, sort_keys=True)


def fingerprint(organization: str) -> str:
    """All signals of an organization and all orders of its read model, as they stand:
    equal texts, equal rows.
    """
    with db.connect() as connection:
        signals = [
            json.dumps(signal, sort_keys=True)
            for signal in listing.signals(connection, organization)
        ]
        orders = sorted(str(row) for row in store.orders(connection, organization))
    return "\n".join([*signals, *orders])


# -- H ---------------------------------------------------------------------------------------------


def contained(history: History) -> Findings:
    """What was acknowledged is there: orders in log, read model and rebuilt state; runs, settings,
    outcomes and their notes.
    """
    found = Findings()
    in_log = list(log.orders(history.organization))
    found.add(_in_the_log(history, in_log))
    counting = counting_versions(in_log)
    found.add(_in_the_read_model(history.organization, counting))
    found.add(_in_the_state(history.organization, counting))
    found.add(_edited(history))
    return found


def counting_versions(orders: Iterable[Order]) -> dict[str, Order]:
    """order -> the version that counts: the greatest (revision, content), on the earliest day that
    content was stamped with.
    """
    counting: dict[str, Order] = {}
    for order in orders:
        known = counting.get(order.order)
        if (
            known is None
            or (order.revision, order.content) > (known.revision, known.content)
            or (
                (order.revision, order.content) == (known.revision, known.content)
                and order.counts_on < known.counts_on
            )
        ):
            counting[order.order] = order
    return counting


def _version(order: Order) -> Version:
    return Version(
        organization=order.organization,
        order=order.order,
        revision=order.revision,
        account=order.account,
        ordered_on=order.ordered_on,
        cancelled=order.cancelled,
        lines=in_order([(line.od, line.grade, line.revenue_cents) for line in order.lines]),
    )


def _in_the_log(history: History, in_log: list[Order]) -> Findings:
    there = {(order.order, order.revision): _version(order) for order in in_log}
    lost = [
        f"H {history.organization}: "
        f"{order} revision {revision} was acknowledged and is not in the log"
        for (order, revision), version in history.orders.items()
        if there.get((order, revision)) != version
    ]
    return Findings(lost=lost)


def _in_the_read_model(organization: str, counting: dict[str, Order]) -> Findings:
    found = Findings()
    with db.connect() as connection:
        rows = {row.order: row for row in store.orders(connection, organization)}
    for name, order in counting.items():
        row = rows.get(name)
        if row is None:
            found.lost.append(f"H {organization}: {name} is not in the read model")
        elif (
            row.account, row.ordered_on, row.counts_on, row.revision, row.content.hex(),
            row.cancelled, in_order(row.lines)
        ) != (
            order.account, order.ordered_on, order.counts_on, order.revision, order.content,
            order.cancelled, _version(order).lines
        ):  # fmt: skip
            found.lost.append(
                f"H {organization}: {name} counts as revision {order.revision}, "
                f"the read model has {row}"
            )
    found.doubled += [
        f"H {organization}: {name} is in the read model and never was in the log"
        for name in rows.keys() - counting
    ]
    return found


def _in_the_state(organization: str, counting: dict[str, Order]) -> Findings:
    found = Findings()
    seen: Counter[str] = Counter()
    for held in log.state(organization):
        seen[held.order] += 1
        order = counting.get(held.order)
        if order is None:
            found.doubled.append(
                f"H {organization}: {held.order} is in the detector's state "
                "and never was in the log"
            )
            continue
        sums: Counter[tuple[str | None, str | None]] = Counter()
        for line in order.lines if not order.cancelled else ():
            sums[line.od, line.grade] += line.revenue_cents
        expected = (
            order.account,
            order.revision,
            bytes.fromhex(order.content)[:CONTENT_BYTES],
            order.counts_on.toordinal(),
        )
        if (
            held.account,
            held.revision,
            held.content,
            held.counts_on,
        ) != expected or held.combos != dict(sums):
            found.lost.append(
                f"H {organization}: {held.order} counts as revision "
                f"{order.revision}, the state has {held}"
            )
        if not held.indexed:
            found.lost.append(
                f"H {organization}: {held.order} lies in an account's page to which "
                "the index does not lead"
            )
    found.lost += [
        f"H {organization}: {name} is not in the detector's state"
        for name in counting.keys() - seen.keys()
    ]
    found.doubled += [
        f"H {organization}: {name} is {times} times in the state"
        for name, times in seen.items()
        if times > 1
    ]
    return found


def _edited(history: History) -> Findings:
    found, name = Findings(), history.organization
    with db.connect() as connection:
        runs_there = store.runs(connection, name)
        settings_there = store.settings_versions(connection, name)
        noted = store.settings_noted(connection, name)
        outcomes_there = store.outcomes(connection, name)
    found.lost += [
        f"H {name}: run {number} was asked for and is not complete"
        for number in history.runs
        if not runs_there.get(number)
    ]
    found.lost += [
        f"H {name}: settings version {version} was saved and is not there as it was"
        for version, said in history.settings.items()
        if settings_there.get(version) != said
    ]
    if noted != len(settings_there) - 1:  # the first came with the organization
        noted_line = (
            f"H {name}: {len(settings_there) - 1} changes of settings, "
            f"{noted} rows in the audit log"
        )
        (found.doubled if noted >= len(settings_there) else found.lost).append(noted_line)
    for outcome in history.outcomes:
        if outcome not in outcomes_there:
            found.lost.append(f"H {name}: outcome {outcome} was noted and is not there")
    for outcome, times in outcomes_there.items():
        if times != 1:
            (found.doubled if times > 1 else found.lost).append(
                f"H {name}: outcome {outcome} has {times} rows in the audit log"
            )
    return found


# -- M ---------------------------------------------------------------------------------------------


def delivered(
    organization: str, sink_url: str, *, refused: Collection[str] = ()
) -> tuple[Findings, Counter[str]]:
    """Every digest (or heartbeat) whose tick went out, at every recipient but those whom their
    server refuses for good. Returns how often each Message-ID is at the sink too.
    """
    with db.connect() as connection:
        slots = store.digest_slots(connection, organization)
        recipients = [
            email for email in store.recipients(connection, organization) if email not in refused
        ]
    ids = [
        derived("slot", organization, "digest", at.isoformat())
        for at, ticked, _, _ in slots
        if ticked
    ]
    ids += [
        derived("slot", organization, "digest", at.isoformat(), "heartbeat")
        for at, _, beat, _ in slots
        if beat
    ]
    domain = mail.own_mailbox("").domain
    expected = {
        f"<{derived('mail', organization, digest, email)}@{domain}>": (slot, email)
        for slot in ids
        for digest in [derived("digest", organization, slot)]
        for email in recipients
    }
    copies: Counter[str] = Counter()
    found = Findings()
    for email in recipients:
        for one in at_the_sink(sink_url, email):
            copies[one["message_id"]] += 1
            if one["message_id"] not in expected:
                found.doubled.append(
                    f"M {organization}: {email} got {one['message_id']}, of no digest that was due"
                )
    for message_id, (slot, email) in expected.items():
        if not copies[message_id]:
            found.lost.append(f"M {organization}: {email} never got the digest of slot {slot}")
        elif copies[message_id] > MOST_COPIES:
            found.doubled.append(
                f"M {organization}: {email} got {message_id} {copies[message_id]} times"
            )
    return found, copies


def at_the_sink(url: str, email: str) -> list[dict[str, Any]]:
    """The mails that a recipient got, newest first."""
    with urllib.request.urlopen(f"{url}/api/messages?to={email}", timeout=20) as answer:  # noqa: S310  # our own sink
        messages: list[dict[str, Any]] = json.load(answer)["messages"]
    return messages
