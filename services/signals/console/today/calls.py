"""An account to call in a row of Today: a sentence, the year's orders in small, whom to call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.signals.console.accounts.badges import BadgeView, badges
from services.signals.console.accounts.contacts import ContactView, contact_view
from services.signals.console.accounts.row import contact_words
from services.signals.console.paths import account_path
from services.signals.console.words import owner_words
from services.signals.store import accounts, today
from services.signals.store.accounts import ListedRow, TopSignal
from services.signals.store.head import Head
from services.signals.store.owner_people import OwnerPerson
from services.signals.store.today import Bought
from shared import db
from shared.events import Combo
from shared.wording import (
    combo_words,
    counted,
    money,
    percent,
    plain_name,
    short_day,
    whole_money,
)

YEAR = timedelta(days=365)
SPARK = 730  # units of its width: two a day


@dataclass(frozen=True, kw_only=True)
class Spark:
    """The year's orders in small: ticks, and the silence at their end."""

    words: str
    ticks: str
    silent_from: int
    silent: int


@dataclass(frozen=True, kw_only=True)
class CallView:
    """One account. sentence: (text, is it strong)."""

    account: str
    name: str
    owner: str
    path: str
    mark: str
    badges: list[BadgeView]
    stake: str
    sentence: list[tuple[str, bool]]
    spark: Spark
    contact: ContactView | None
    add_path: str


def calls(
    connection: db.Connection,
    organization: str,
    rows: Sequence[ListedRow],
    people: Mapping[str, OwnerPerson],
    head: Head,
    now: datetime,
) -> list[CallView]:
    """In the order of the rows."""
    names = [row.account for row in rows]
    day = now.astimezone(ZoneInfo(head.timezone)).date()
    tops = accounts.top_signals(connection, organization, names)
    gaps = accounts.typical_gaps(connection, organization, names)
    bought = today.last_bought(connection, organization, names)
    days = today.order_days(connection, organization, names, after=day - YEAR)
    marks = today.marks(connection, organization, names)
    contacts = today.first_contacts(connection, organization, names)
    found = []
    for row in rows:
        path = account_path(organization, row.account)
        mine = [top for top in tops if top.account == row.account]
        person = contacts.get(row.account)
        gap = gaps.get(row.account)
        found.append(
            CallView(
                account=row.account,
                name=plain_name(row.name or row.account),
                owner=owner_words(row.owner, people),
                path=path,
                mark=marks.get(row.account, ""),
                badges=badges(row, mine, head, now),
                stake=money(row.at_stake_cents, head.currency, head.locale),
                sentence=[
                    *sentence(row, mine, gap, bought.get(row.account), head, day),
                    (f" {_contacted(row, head, now)}", False),
                ],
                spark=spark(days.get(row.account, ()), day),
                contact=contact_view(person, f"{path}?contact={person.contact}", now)
                if person
                else None,
                add_path=f"{path}?contact=#contact-form",
            )
        )
    return found


def sentence(
    row: ListedRow,
    tops: Sequence[TopSignal],
    gap: tuple[int, int] | None,
    bought: Bought | None,
    head: Head,
    today_: date,
) -> list[tuple[str, bool]]:
    """What is the matter, in one or two sentences."""
    last = bought and (
        f"{short_day(bought.on, seen_from=today_)}"
        + "".join(f"{', ' if n else ': '}{plain_name(one)}" for n, one in enumerate(bought.labels))
    )
    usual = f"every {gap[0]} days" if gap else ""
    if row.dormant:
        days = (today_ - row.last_ordered_on).days if row.last_ordered_on else 0
        return [
            ("No order for ", False),
            (counted(days, "day"), True),
            (f"; it used to order {usual}." if usual else ".", False),
            (f" Last bought {last}." if last else "", False),
        ]
    found: list[tuple[str, bool]] = []
    lapses = [top for top in tops if top.type == "lapse"]
    if lapses:
        silent = sorted(_silent(top, today_) for top in lapses)
        more = row.lapse - 1
        found += [
            (combo_words(Combo(od=lapses[0].od, grade=lapses[0].grade)), True),
            (f" and {more} more" if more > 0 else "", False),
            (" silent for ", False),
            (
                f"{silent[0]} to {silent[-1]} days"
                if silent[0] != silent[-1]
                else counted(silent[0], "day"),
                True,
            ),
            (".", False),
        ]
        still = f" Still orders {usual}," if usual else " Still orders,"
        found.append((f"{still} last on {last}." if last else "", False))
    special = next((top for top in tops if top.type == "cherry_picking"), None)
    if special is not None:
        upside = whole_money(special.figures["estimated_upside_cents"], head.style)
        found += [
            (" " if found else "", False),
            (percent(special.figures["specialty_share_bps"]), True),
            (" goes on the hard-to-find sizes; an estimated ", False),
            (upside, True),
            (" a year of the rest goes elsewhere.", False),
        ]
    return found


def spark(days: Sequence[date], today_: date) -> Spark:
    """A year up to today."""
    start = today_ - YEAR
    places = [2 * (day - start).days for day in days if start < day <= today_]
    last = places[-1] if places else 0
    silent = (SPARK - last) // 2
    return Spark(
        words=f"{counted(len(places), 'day')} with an order in the last year, "
        f"none in the last {counted(silent, 'day')}",
        ticks="".join(f"M{place} 4v20" for place in places),
        silent_from=last,
        silent=SPARK - last,
    )


def _silent(top: TopSignal, today_: date) -> int:
    return (today_ - date.fromisoformat(top.figures["last_ordered_on"])).days


def _contacted(row: ListedRow, head: Head, now: datetime) -> str:
    contact, _, _ = contact_words(row, head, now)
    return f"Reached out {contact}." if contact else "Not contacted yet."
