"""The badges of an account, one a type, and the tooltip of each with its largest signals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.signals.store import accounts
from services.signals.store.accounts import ListedRow, TopSignal
from services.signals.store.head import Head
from shared.domain.typed_numbers import NumberStyle
from shared.events import Combo, SignalType
from shared.wording import TYPE_LETTERS, TYPE_NAMES, combo_words, percent, whole_money


@dataclass(frozen=True, kw_only=True)
class BadgeView:
    """One type on an account. state: "", "co" (reached out), "lo" (lost). items: (what, how long,
    revenue) of the largest.
    """

    type: SignalType
    letter: str
    times: str
    state: str
    words: str
    title: str
    items: list[tuple[str, str, str]]


def badges(row: ListedRow, tops: Sequence[TopSignal], head: Head, now: datetime) -> list[BadgeView]:
    """A badge a type that is active, with its largest signals."""
    is_paused = row.paused_until is not None and now < row.paused_until
    state, said = (
        ("lo", ", lost")
        if row.lost_at is not None
        else ("co", ", reached out")
        if is_paused
        else ("", "")
    )
    found = []
    times_of: dict[SignalType, int] = {
        "dormant": row.dormant,
        "lapse": row.lapse,
        "cherry_picking": row.cherry_picking,
    }
    for type_, times in times_of.items():
        if not times:
            continue
        name = TYPE_NAMES[type_]
        found.append(
            BadgeView(
                type=type_,
                letter=TYPE_LETTERS[type_],
                times=f"×{times}" if times > 1 else "",
                state=state,
                words=f"{TYPE_LETTERS[type_]}: "
                f"{name}{f', {times} combinations' if times > 1 else ''}{said}",
                title=name
                if times <= accounts.TOP_ITEMS
                else f"{name}, the largest {accounts.TOP_ITEMS} of {times}",
                items=[_item(top, head.style) for top in tops if top.type == type_],
            )
        )
    return found


def _item(top: TopSignal, style: NumberStyle) -> tuple[str, str, str]:
    figures = top.figures
    if top.type == "dormant":
        return (
            "All orders",
            f"none for {figures['days_inactive']} d",
            whole_money(figures["last_year_revenue_cents"], style),
        )
    if top.type == "lapse":
        silent = f"silent {figures['days_silent']} d"
        return (
            combo_words(Combo(od=top.od, grade=top.grade)),
            silent,
            whole_money(figures["lapsed_revenue_cents"], style),
        )
    return (
        "Specialty",
        percent(figures["specialty_share_bps"]),
        whole_money(figures["estimated_upside_cents"], style),
    )
