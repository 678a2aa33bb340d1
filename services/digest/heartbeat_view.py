"""The heartbeat in words: nobody to call, or nobody can say (product.md 5)."""

from collections.abc import Mapping

from services.digest import links
from services.digest.digest_view import Writer
from services.digest.facts import Facts, Purchase
from services.digest.frame import (
    Occasion,
    Room,
    age_of_newest,
    alarm_title,
    alarm_words,
    day_in,
    foot,
    newest_order,
    without_weekday,
)
from services.digest.view import HeartbeatView
from shared import wording
from shared.domain.digest import Digest
from shared.wording import counted

PERIODS = {"daily": "today", "weekly": "this week", "2-weeks": "these two weeks"}


def heartbeat_view(
    facts: Facts, digest: Digest, purchases: Mapping[str, Purchase], occasion: Occasion, room: Room
) -> HeartbeatView:
    """Nobody to call, or nobody knows because the feed is silent."""
    alarm = alarm_words(facts.feed, occasion)
    assert facts.run is not None
    period = PERIODS.get(facts.schedule.frequency, "") if facts.schedule else ""
    return HeartbeatView(
        organization=room.fit(facts.organization.name, room.name),
        subject=f"{alarm}: is the feed running?"
        if alarm
        else f"Nobody to call · {counted(facts.run.accounts, 'account')} checked",
        preheader=newest_order(facts, occasion),
        title=alarm_title(facts.feed, occasion)
        if alarm
        else f"Nobody to call {period}".strip() + ".",
        loud=bool(alarm),
        detail="“Nobody to call” means nothing while the feed is silent." if alarm else "",
        lines=_lines(facts, occasion),
        console_url=links.console(facts.organization.organization),
        always=Writer(facts, digest, purchases, occasion, room).always(),
        foot=foot(facts, occasion),
    )


def no_run_view(facts: Facts, why: str, occasion: Occasion) -> HeartbeatView:
    """There is no complete run to show; `why` in words."""
    said = wording.plain_name(why[:1].upper() + why[1:]).rstrip(".")
    return HeartbeatView(
        organization=wording.plain_name(facts.organization.name),
        subject="No digest yet: the check is not complete",
        preheader=said,
        title="The check is not complete.",
        loud=True,
        detail=f"{said}. The digest follows when it is, within 24 hours.",
        lines=_lines(facts, occasion),
        console_url=links.console(facts.organization.organization),
        always=None,
        foot=foot(facts, occasion),
    )


def _lines(facts: Facts, occasion: Occasion) -> tuple[tuple[str, str], ...]:
    zone, today = facts.organization.timezone, day_in(occasion.at, facts.organization.timezone)
    run = facts.last_run
    checked = "never yet"
    if run is not None:
        day = day_in(run.completed_at, zone)
        when = "today" if day == today else f"on {wording.near_day(day)}"
        checked = (
            f"{counted(run.accounts, 'account')}, "
            f"{when} {wording.clock_time(run.completed_at, zone)}"
        )
    lines = [
        ("Checked", checked),
        (
            "Orders received",
            f"{wording.count(facts.feed.received)} since "
            f"{without_weekday(day_in(facts.feed.since, zone))}",
        ),
        ("Newest order", age_of_newest(facts, occasion)),
    ]
    if occasion.next_at is not None:
        day = day_in(occasion.next_at, zone)
        lines.append(
            (
                "Next digest",
                f"{wording.near_day(day)}, {wording.clock_time(occasion.next_at, zone)}",
            )
        )
    return tuple(lines)
