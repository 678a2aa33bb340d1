"""Draft sequences: who is enrolled, who is skipped and why, and what fills the text from an
account's own history.

One draft per type that has active signals (product.md 6). Its text, `letters.STEPS`, is the same
for every account; the variables are each account's own. `skip` is asked for a draft, and again at
launch and before every mail.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from statistics import median
from typing import Literal

from shared import wording
from shared.domain import placeholders
from shared.domain.letters import HOLD_BUSINESS_DAYS
from shared.events import SignalType

YEAR_DAYS = 365
MOST_NAMED = 3

# Why nothing may go to an address: asked for by the person, said by their server, or by us.
Suppressed = Literal[
    "unsubscribed", "bounced", "opted_out", "complained", "undeliverable", "by_hand", "imported"
]
SkipReason = (
    Suppressed
    | Literal[
        "no-contact",
        "no-email",
        "account-in-sequence",
        "contact-in-sequence",
        "pinned",
        "lost",
        "paused",
        "signal-over",
    ]
)


def draft_name(signal_type: SignalType, drafted_on: date) -> str:
    """ "Product lapse, 23 Nov": as the console lists it."""
    return f"{wording.TYPE_TITLES[signal_type]}, {drafted_on.day} {drafted_on:%b}"


# -- who is enrolled -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """An account's primary contact, as far as there is one, and what is known about writing to it.

    suppressed: for this address, or its domain.
    …_in_sequence: in another one that is launched or paused, and unfinished; a draft is not active.
    """

    contact: str | None
    email: str | None
    suppressed: Suppressed | None = None
    account_in_sequence: bool = False
    contact_in_sequence: bool = False


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Not enrolled, and why: it feeds the page, the metric and the test alike."""

    reason: SkipReason


def skip(addressee: Addressee) -> Skipped | None:
    """The first reason not to write, None to enroll."""
    if addressee.contact is None:
        return Skipped(reason="no-contact")
    if not (addressee.email or "").strip():
        return Skipped(reason="no-email")
    if addressee.suppressed:
        return Skipped(reason=addressee.suppressed)
    if addressee.account_in_sequence:
        return Skipped(reason="account-in-sequence")
    if addressee.contact_in_sequence:
        return Skipped(reason="contact-in-sequence")
    return None


# -- what fills the text ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase:
    """A line of positive revenue, its size and grade as the run's settings read them.
    `order` tells orders apart.
    """

    order: str
    ordered_on: date
    revenue_cents: int
    product: str | None = None
    od: str | None = None
    grade: str | None = None
    quantity: str | None = None


@dataclass(frozen=True, kw_only=True)
class Lapsed:
    """A combo with an active lapse signal."""

    signal: str
    od: str | None
    grade: str | None
    lapsed_revenue_cents: int


@dataclass(frozen=True, kw_only=True)
class Story:
    """Everything about one account that a letter to it may say. as_of: the run's day; purchases:
    all up to that day. confirmed: what the rep stands for; nothing in a draft.
    """

    as_of: date
    drafted_on: date
    organization: str
    account: str
    owner: str | None
    contact_name: str | None
    purchases: Sequence[Purchase]
    minimum_od: str
    lapsed: Sequence[Lapsed] = ()
    specialty_share_bps: int = 0
    confirmed: str = ""

    def last_year(self) -> list[Purchase]:
        """The purchases of the twelve months up to the run's day."""
        return [p for p in self.purchases if p.ordered_on > self.as_of - timedelta(days=YEAR_DAYS)]


def variables(signal_type: SignalType, story: Story) -> dict[str, str]:
    """A value for each of `letters.VARIABLES[signal_type]`, from the account's own history."""
    common = {
        "account": story.account,
        "contact_name": story.contact_name or "",
        "owner": story.owner or "Your sales team",
        "organization": story.organization,
        "last_order": _last_day(story, story.purchases),
        "hold_until": day_words(
            business_days_after(story.drafted_on, HOLD_BUSINESS_DAYS), seen_from=story.drafted_on
        ),
        "confirmed": story.confirmed,
        "bought": _most_bought(story.purchases) or "what you used to buy",
    }
    if signal_type == "lapse":
        return common | _of_lapse(story)
    return common | _of_cherry_picking(story) if signal_type == "cherry_picking" else common


def _of_lapse(story: Story) -> dict[str, str]:
    """The combo that earned most leads; the others are named once."""
    ranked = ranked_lapses(story.lapsed)
    leading = (ranked[0].od, ranked[0].grade)
    lines = [p for p in story.purchases if (p.od, p.grade) == leading]
    months = {
        (p.ordered_on.year, p.ordered_on.month)
        for p in story.last_year()
        if (p.od, p.grade) == leading
    }
    return {
        "lapsed": combo_words(*leading),
        "all_lapsed": listed([combo_words(c.od, c.grade) for c in ranked]),
        "last_order": _last_day(story, lines),
        "months": str(len(months)),
        "usual_quantity": usual_quantity(p.quantity for p in lines),
    }


def ranked_lapses(lapsed: Iterable[Lapsed]) -> list[Lapsed]:
    """What earned most first."""
    return sorted(lapsed, key=lambda c: (-c.lapsed_revenue_cents, c.od or "", c.grade or ""))


def named_signals(
    signal_type: SignalType, signals: Sequence[str], lapsed: Sequence[Lapsed], texts: Iterable[str]
) -> list[str]:
    """The signals that letters name: all of an account's, but of several lapsed combos only the
    leading one where no text lists them all. An order of another combo then answers nothing.
    """
    used = {name for text in texts for name in placeholders.variables_in(text)}
    if signal_type != "lapse" or "lapsed" not in used or "all_lapsed" in used:
        return list(signals)
    return [ranked_lapses(lapsed)[0].signal]


def _of_cherry_picking(story: Story) -> dict[str, str]:
    minimum = Decimal(story.minimum_od)
    lines = [p for p in story.last_year() if p.od is not None and Decimal(p.od) >= minimum]
    sizes = Counter[str]()
    for line in lines:
        sizes[line.od or ""] += line.revenue_cents
    return {
        "specialty": _most({wording.size(od): cents for od, cents in sizes.items()})
        or "specialty sizes",
        "specialty_share": f"{(story.specialty_share_bps + 50) // 100}%",
        "specialty_orders": wording.counted(len({p.order for p in lines}), "order"),
        "last_order": _last_day(story, lines),
    }


def _last_day(story: Story, lines: Iterable[Purchase]) -> str:
    last = max((p.ordered_on for p in lines), default=None)
    return day_words(last, seen_from=story.drafted_on) if last else "a day long ago"


def _most_bought(lines: Iterable[Purchase]) -> str:
    by_combo, by_product = Counter[tuple[str | None, str | None]](), Counter[str]()
    for line in lines:
        by_combo[line.od, line.grade] += line.revenue_cents
        by_product[line.product or ""] += line.revenue_cents
    return _most({combo_words(*combo): cents for combo, cents in by_combo.items()}) or _most(
        by_product
    )


def _most(revenue: Mapping[str, int]) -> str:
    """The names that earned most; equal ones by name; what has no name does not count."""
    ranked = sorted(filter(None, revenue), key=lambda name: (-revenue[name], name))
    return listed(ranked[:MOST_NAMED])


def usual_quantity(quantities: Iterable[str | None]) -> str:
    """The median where all are numbers in one unit, "500 ft"; else what was sent most often with a
    unit. A number without one says nothing to a customer.
    """
    sent = [q.strip() for q in quantities if q and q.strip()]
    numbers = [n for q in sent if (n := _number_and_unit(q)) is not None]
    units = {unit for _, unit in numbers}
    if not sent or len(numbers) != len(sent) or len(units) != 1 or not all(units):
        told = Counter(q for q in sent if any(char.isalpha() for char in q) and q.lower() != "nan")
        return min(told, key=lambda q: (-told[q], q), default="your usual quantity")
    middle = median(number for number, _ in numbers).quantize(Decimal(1), ROUND_HALF_UP)
    return f"{max(middle, Decimal(1)):,} {units.pop()}"


def _number_and_unit(text: str) -> tuple[Decimal, str] | None:
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ. '\"")
    try:
        value = Decimal(number.replace(",", ""))
    except InvalidOperation:
        return None
    return (value, text[len(number) :].strip()) if value.is_finite() and 0 < value < 10**9 else None


def business_days_after(day: date, count: int) -> date:
    """The `count`th Monday to Friday after `day`. Holidays are the contact's calendar, which a
    draft does not know.
    """
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < 5
    return day


def combo_words(od: str | None, grade: str | None) -> str:
    """ "5 1/2 J55", to the customer: what is missing is not mentioned."""
    return " ".join(filter(None, (od and wording.size(od), grade)))


def day_words(on: date, *, seen_from: date) -> str:
    """ "21 August", with the year where it is another than that of `seen_from`."""
    return f"{on.day} {on:%B}" + (f" {on.year}" if on.year != seen_from.year else "")


def listed(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c", "a, b, c and 2 more"."""
    if len(items) > MOST_NAMED:
        return f"{', '.join(items[:MOST_NAMED])} and {len(items) - MOST_NAMED} more"
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1]))) if items else ""
