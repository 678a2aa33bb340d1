"""What came back, in a line each: who, what, after how long, by which order, after whose call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.signals.console.paths import account_path
from services.signals.console.words import owner_words
from services.signals.store.head import Head
from services.signals.store.owner_people import OwnerPerson
from shared.domain.came_back import CameBack, Recovery
from shared.wording import combo_words, counted, exact_day, money, plain_name, short_day


@dataclass(frozen=True, kw_only=True)
class BackView:
    """An account that came back. what: what it ordered again, and after how long. touch: after
    whose call, or by itself. won: claimed or confirmed, empty where nobody said so.
    """

    account: str
    path: str
    owner: str
    what: str
    after: str
    order: str
    order_value: str
    month: str
    touch: str
    is_touched: bool
    won: str
    day: str
    day_exact: str
    is_fresh: bool


def back_views(
    organization: str,
    accounts: Sequence[CameBack],
    people: Mapping[str, OwnerPerson],
    head: Head,
    *,
    now: datetime,
    looked_at: datetime | None = None,
) -> list[BackView]:
    """Who came last first; `looked_at`: what came after it is fresh."""
    today = now.astimezone(ZoneInfo(head.timezone)).date()
    found = []
    for one in accounts:
        newest, touch = one.newest, one.touch
        silent = max((r.silent_days for r in one.recoveries if r.silent_days), default=None)
        found.append(
            BackView(
                account=plain_name(one.name or one.account),
                path=account_path(organization, one.account),
                owner=owner_words(one.owner, people),
                what=what_of(one.recoveries),
                after=f"after {counted(silent, 'day')}" if silent else "",
                order=plain_name(newest.order or ""),
                order_value=money(one.order_cents, head.currency, head.locale),
                month=money(one.monthly_cents, head.currency, head.locale),
                touch="by itself" if touch is None else _touch(touch, head),
                is_touched=touch is not None,
                won="confirmed" if one.won else "",
                day=short_day(newest.ordered_on, seen_from=today),
                day_exact=exact_day(newest.ordered_on),
                is_fresh=looked_at is not None and newest.at > looked_at,
            )
        )
    return found


def what_of(recoveries: Sequence[Recovery]) -> str:
    """What it ordered again."""
    if any(one.type == "dormant" for one in recoveries):
        return "again"
    combos = list(dict.fromkeys(combo_words(one.combo) for one in recoveries if one.combo))
    if not combos:
        return "standard goods again"
    return ", ".join(combos[:2]) + (f" and {len(combos) - 2} more" if len(combos) > 2 else "")


def _touch(one: Recovery, head: Head) -> str:
    assert one.touched_at is not None
    days = max(0, (one.at - one.touched_at).days)
    who = plain_name((one.touched_by or "").partition("@")[0])
    return f"{counted(days, 'day')} after {who}’s call"
