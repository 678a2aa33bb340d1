"""The three first steps of a new organization: send orders, see signals, set up the digest. They
stay until the first digest went out.
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from services.signals.console.http.access import Visitor
from services.signals.store import run_requests, slots
from services.signals.store.head import Head
from services.signals.store.today import MOST_COUNTED, Steps
from shared import clock, db
from shared.domain.cadence import next_firing
from shared.wording import city, clock_time, counted, near_day


@dataclass(frozen=True, kw_only=True)
class FirstStepsView:
    """What is done (ticks), and what to say of each step."""

    sent: bool
    sent_words: str
    has_token: bool
    seen: bool
    run_words: str
    is_pending: bool
    may_run: bool
    recipients: str
    digest_words: str
    has_schedule: bool


def first_steps(
    connection: db.Connection, organization: str, steps: Steps, *, who: Visitor, head: Head
) -> FirstStepsView:
    """As it stands."""
    is_pending = (steps.run_asked or 0) > (steps.run_done or 0)
    why = run_requests.holding_import(connection, organization) if is_pending else None
    schedule = slots.digest_schedule(connection, organization)
    next_at = next_firing(schedule, clock.now()) if schedule else None
    return FirstStepsView(
        sent=steps.orders > 0,
        sent_words=_loaded(steps),
        has_token=steps.has_token,
        seen=steps.run_done is not None,
        run_words=_run(steps, why),
        is_pending=is_pending,
        may_run=who.governs(organization),
        recipients=counted(steps.recipients, "member"),
        digest_words="The first by itself: "
        f"{near_day(next_at.astimezone(ZoneInfo(head.timezone)).date())}, "
        f"{clock_time(next_at, head.timezone)} in {city(head.timezone)}."
        if next_at
        else "It has no day yet.",
        has_schedule=schedule is not None,
    )


def _loaded(steps: Steps) -> str:
    """31 accounts loaded, no run yet."""
    if not steps.orders:
        return ""
    orders, accounts = (
        f"more than {MOST_COUNTED:,} {noun}s" if number >= MOST_COUNTED else counted(number, noun)
        for number, noun in ((steps.orders, "order"), (steps.accounts, "account"))
    )
    run = "no run yet" if steps.run_done is None else f"run {steps.run_done} is complete"
    return f"{orders} of {accounts} loaded, {run}."


def _run(steps: Steps, why: str | None) -> str:
    if (steps.run_asked or 0) > (steps.run_done or 0):
        waits = f" It waits for the import {why}." if why else ""
        return f"Run {steps.run_asked} was asked for and is not complete yet.{waits}"
    if steps.run_done is not None:
        return f"Run {steps.run_done} is complete."
    return ""
