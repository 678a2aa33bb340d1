"""Why a signal is active: a sentence, its strip, its figures beside the thresholds, the lines
behind it, what would clear it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from services.signals.console.accounts.strip import StripView, draw
from services.signals.store.account import SignalRow
from services.signals.store.account_history import OrderBehind, Version
from services.signals.store.head import Head
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.history import YEAR_DAYS, is_specialty
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings
from shared.domain.typed_numbers import NumberStyle
from shared.events import Combo
from shared.wording import (
    TYPE_LETTERS,
    TYPE_NAMES,
    combo_words,
    counted,
    percent,
    plain_name,
    share,
    short_day,
    size,
    whole_money,
)

LINES_SHOWN = 12
STRIP_MARGIN_DAYS = 40  # what stands left of the window in the strip


@dataclass(frozen=True, kw_only=True)
class LineView:
    """One order line as a row."""

    day: str
    order: str
    product: str
    quantity: str
    net: str


@dataclass(frozen=True, kw_only=True)
class SignalCard:
    """One active signal. sentence: (text, is it strong). figures: (figure, is, threshold)."""

    signal: str
    type: str
    letter: str
    type_name: str
    sentence: list[tuple[str, bool]]
    strip: StripView
    figures: list[tuple[str, str, str]]
    lines: list[LineView]
    lines_more: str
    lines_of: str
    lines_total: str
    clears: str
    note: str


@dataclass(frozen=True, kw_only=True)
class _Line:
    order: OrderBehind
    product: str
    quantity: str
    cents: int


def earliest(signals: Sequence[SignalRow], versions: Mapping[int, Version]) -> date | None:
    """The day after which orders matter to any of the signals' drawings."""
    days = [
        _window(signal, versions[signal.settings_version].settings)[0]
        for signal in signals
        if signal.settings_version in versions
    ]
    return min(days) - timedelta(days=STRIP_MARGIN_DAYS) if days else None


def cards(
    signals: Sequence[SignalRow],
    orders: Sequence[OrderBehind],
    versions: Mapping[int, Version],
    usual_shares: Mapping[int, str],
    last_ordered_on: date | None,
    head: Head,
) -> list[SignalCard]:
    """In the order of the signals; those whose settings are gone are left out."""
    readings = {number: _Reading(version.settings) for number, version in versions.items()}
    return [
        _card(
            signal,
            orders,
            versions[signal.settings_version],
            readings[signal.settings_version],
            usual_shares.get(signal.run),
            last_ordered_on,
            head,
        )
        for signal in signals
        if signal.settings_version in versions
    ]


def _card(
    signal: SignalRow,
    orders: Sequence[OrderBehind],
    version: Version,
    reading: "_Reading",
    usual: str | None,
    last_ordered_on: date | None,
    head: Head,
) -> SignalCard:
    thresholds = version.settings
    after, up_to = _window(signal, thresholds)
    lines = list(_lines(signal, orders, reading))
    inside = [line for line in lines if after < line.order.counts_on <= up_to]
    by_day: dict[date, int] = defaultdict(int)
    for line in lines:
        by_day[line.order.counts_on] += line.cents
    orders_count, credits = (
        len({line.order.order_id for line in inside}),
        len([line for line in inside if line.cents < 0]),
    )
    style = head.style
    return SignalCard(
        signal=signal.signal,
        type=signal.type,
        letter=TYPE_LETTERS[signal.type],
        type_name=TYPE_NAMES[signal.type],
        sentence=_sentence(signal, thresholds, head),
        strip=draw(
            as_of=signal.as_of,
            window_days=(signal.as_of - after).days,
            limit_days={
                "dormant": thresholds.dormant.gap_days,
                "lapse": thresholds.lapse.lapse_days,
            }.get(signal.type),
            hits=by_day,
            others=[order.counts_on for order in orders],
            about=f"Orders with {_what(signal)}"
            if signal.type == "lapse"
            else TYPE_NAMES[signal.type],
            style=style,
        ),
        figures=_figures(signal, thresholds, usual, last_ordered_on, style),
        lines=[
            LineView(
                day=short_day(line.order.counts_on, seen_from=date.min),
                order=plain_name(line.order.order_id),
                product=plain_name(line.product),
                quantity=plain_name(line.quantity),
                net=whole_money(line.cents, style),
            )
            for line in inside[:LINES_SHOWN]
        ],
        lines_more=f"and {counted(len(inside) - LINES_SHOWN, 'line')} more"
        if len(inside) > LINES_SHOWN
        else "",
        lines_of=counted(orders_count, "order")
        + (f", {counted(credits, 'credit')}" if credits else ""),
        lines_total=whole_money(sum(line.cents for line in inside), style),
        clears=_clears(signal, thresholds, style),
        note=_note(signal, version, head),
    )


def _window(signal: SignalRow, settings: DetectionSettings) -> tuple[date, date]:
    """(after, up to) of the orders that the figures are over."""
    if signal.type == "dormant":
        last = date.fromisoformat(signal.figures["last_ordered_on"])
        return last - timedelta(days=YEAR_DAYS), last
    days = (
        settings.lapse.history_days
        if signal.type == "lapse"
        else settings.cherry_picking.window_days
    )
    return signal.as_of - timedelta(days=days), signal.as_of


class _Reading:
    """Sizes and grades as one version of the settings reads them; each text is read once, however
    many lines of however many signals have it.
    """

    def __init__(self, settings: DetectionSettings) -> None:
        self._sizes = TaughtSizes(settings.sizes)
        self._aliases = TaughtGrades(settings.grade_aliases)
        self._least = settings.cherry_picking.specialty_from
        self._ods: dict[str | None, str | None] = {}
        self._grades: dict[str | None, str | None] = {}
        self._specialty: dict[str | None, bool] = {}

    def combo(self, raw_od: str | None, raw_grade: str | None) -> tuple[str | None, str | None]:
        return self._od(raw_od), self._grade(raw_grade)

    def is_specialty(self, raw_od: str | None) -> bool:
        if raw_od not in self._specialty:
            self._specialty[raw_od] = is_specialty(self._od(raw_od), self._least)
        return self._specialty[raw_od]

    def _od(self, raw: str | None) -> str | None:
        if raw not in self._ods:
            self._ods[raw] = read_od(raw, self._sizes).value
        return self._ods[raw]

    def _grade(self, raw: str | None) -> str | None:
        if raw not in self._grades:
            self._grades[raw] = read_grade(raw, self._aliases)
        return self._grades[raw]


def _lines(signal: SignalRow, orders: Sequence[OrderBehind], reading: _Reading) -> Iterator[_Line]:
    """Those that the signal is about, as its settings read them: all; of
    the combo; of specialty sizes.
    """
    for order in orders:
        texts = zip(
            order.products,
            order.ods,
            order.grades,
            order.quantities,
            order.revenues_cents,
            strict=True,
        )
        for product, raw_od, raw_grade, quantity, cents in texts:
            if signal.type == "lapse":
                if reading.combo(raw_od, raw_grade) != (signal.od, signal.grade):
                    continue
            elif signal.type == "cherry_picking" and not reading.is_specialty(raw_od):
                continue
            words = product or " ".join(part for part in (raw_od, raw_grade) if part)
            yield _Line(order=order, product=words, quantity=quantity or "", cents=cents)


def _what(signal: SignalRow) -> str:
    return combo_words(Combo(od=signal.od, grade=signal.grade))


def _year(days: int) -> str:
    return "year" if days == YEAR_DAYS else counted(days, "day")


def _sentence(signal: SignalRow, settings: DetectionSettings, head: Head) -> list[tuple[str, bool]]:
    figures, style = signal.figures, head.style
    if signal.type == "dormant":
        return [
            ("No order", True),
            (" for ", False),
            (counted(figures["days_inactive"], "day"), True),
            (
                f"; {whole_money(figures['last_year_revenue_cents'], style)} in the year before.",
                False,
            ),
        ]
    if signal.type == "lapse":
        revenue, months = (
            whole_money(figures["lapsed_revenue_cents"], style),
            counted(figures["distinct_months"], "month"),
        )
        return [
            (_what(signal), True),
            (" silent for ", False),
            (counted(figures["days_silent"], "day"), True),
            (
                f"; {revenue} in the {_year(settings.lapse.history_days)} before, in {months}.",
                False,
            ),
        ]
    least = size(settings.cherry_picking.minimum_od)
    return [
        (percent(figures["specialty_share_bps"]), True),
        (
            f" of {whole_money(figures['total_revenue_cents'], style)} went on sizes from {least} "
            "in;",
            False,
        ),
        (" an estimated ", False),
        (whole_money(figures["estimated_upside_cents"], style), True),
        (" of standard goods a year goes elsewhere.", False),
    ]


def _figures(
    signal: SignalRow,
    settings: DetectionSettings,
    usual: str | None,
    last_ordered_on: date | None,
    style: NumberStyle,
) -> list[tuple[str, str, str]]:
    figures = signal.figures
    if signal.type == "dormant":
        a = settings.dormant
        return [
            ("Days without an order", f"{figures['days_inactive']:,}", f"at least {a.gap_days:,}"),
            (
                "Lifetime revenue",
                whole_money(figures["lifetime_revenue_cents"], style),
                f"at least {whole_money(a.minimum_lifetime_revenue_cents, style)}",
            ),
        ]
    if signal.type == "lapse":
        b = settings.lapse
        return [
            (
                f"Days without {_what(signal)}",
                f"{figures['days_silent']:,}",
                f"at least {b.lapse_days:,}",
            ),
            (
                f"Net revenue in the {_year(b.history_days)} to "
                f"{short_day(signal.as_of, seen_from=signal.as_of)}",
                whole_money(figures["lapsed_revenue_cents"], style),
                f"at least {whole_money(b.minimum_revenue_cents, style)}",
            ),
            (
                "Different months with an order",
                f"{figures['distinct_months']}",
                f"at least {b.minimum_months}",
            ),
            *_last_order(signal, settings, last_ordered_on),
        ]
    c = settings.cherry_picking
    least = size(c.minimum_od)
    found = [
        (
            f"Share of sizes from {least} in",
            percent(figures["specialty_share_bps"]),
            f"above {Decimal(c.share_percent):f} %",
        ),
        (
            f"Net spend in the {_year(c.window_days)}",
            whole_money(figures["total_revenue_cents"], style),
            f"at least {whole_money(c.minimum_revenue_cents, style)}",
        ),
        (
            f"Of it sizes from {least} in",
            whole_money(figures["specialty_revenue_cents"], style),
            "",
        ),
    ]
    if usual is not None:
        found.append(("Usual share m, of accounts that buy both", share(usual), "20 to 80 %"))
    found.append(
        (
            "Upside: specialty × (1 − m) ÷ m − standard",
            whole_money(figures["estimated_upside_cents"], style),
            "an estimate",
        )
    )
    return found


def _last_order(
    signal: SignalRow, settings: DetectionSettings, last_ordered_on: date | None
) -> list[tuple[str, str, str]]:
    """The account itself is active: only then can a product have lapsed."""
    if last_ordered_on is None:
        return []
    days = max(0, (signal.as_of - last_ordered_on).days)
    return [
        (
            "Account’s own last order",
            f"{days:,} d ago" if days else "today",
            f"under {settings.dormant.gap_days:,}",
        )
    ]


def _clears(signal: SignalRow, settings: DetectionSettings, style: NumberStyle) -> str:
    since = short_day(signal.opened_on, seen_from=date.min)
    if signal.type == "dormant":
        return f"An order line above zero, dated {since} or later."
    if signal.type == "lapse":
        return f"An order line of {_what(signal)} above zero, dated {since} or later."
    figures, c = signal.figures, settings.cherry_picking
    needed = _standard_needed(
        figures["specialty_revenue_cents"], figures["total_revenue_cents"], Decimal(c.share_percent)
    )
    return (
        f"Standard goods (below {size(c.minimum_od)} in, or without a size) of "
        f"{whole_money(needed, style)} net,"
        f" dated {since} or later: then the share is {Decimal(c.share_percent):f} %."
    )


def _standard_needed(specialty_cents: int, total_cents: int, share_percent: Decimal) -> int:
    """What brings the share down to the threshold."""
    if share_percent <= 0:
        return 0
    return max(0, int(specialty_cents * 100 / share_percent) - total_cents)


def _note(signal: SignalRow, version: Version, head: Head) -> str:
    zone = ZoneInfo(head.timezone)
    opened = short_day(signal.opened_on, seen_from=date.min)
    again = "" if signal.episode == 1 else f" (time {signal.episode})"
    saved = short_day(version.saved_at.astimezone(zone).date(), seen_from=signal.as_of)
    seen = short_day(signal.as_of, seen_from=signal.opened_on)
    return (
        f"Open since {opened}{again} · seen again {seen} · "
        f"settings of {saved} (version\u00a0{version.version})"
    )
