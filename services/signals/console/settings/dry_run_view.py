"""The dry run beside each card as it is shown: its sentence, histogram, names and warning; and the
replay below.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

from services.signals.console.paths import account_path
from services.signals.store.head import Head
from services.signals.trial.dry_run import Quarter, Tried
from shared.domain.thresholds import DetectionSettings
from shared.domain.trial import Bar, Subject, day_bars, is_too_tight, share_bars, usual_days
from shared.domain.typed_numbers import NumberStyle
from shared.events import Combo, SignalType
from shared.wording import combo_words, count, counted, exact_money, percent, plain_name

NAMES_SHOWN = 3
NAMES_AT_MOST = 200
BASE_PX, TALLEST_PX = 104, 70


@dataclass(frozen=True, kw_only=True)
class BarView:
    """A bar: x and width in percent, y and height in pixels, so that it stretches and its letters
    do not.
    """

    x: str
    width: str
    middle: str
    y: str
    height: str
    label_y: str
    count: str
    is_flagged: bool


@dataclass(frozen=True, kw_only=True)
class HistogramView:
    """The candidates by what is measured, with the threshold where it is typed and where it is
    saved.
    """

    label: str
    bars: list[BarView]
    ticks: list[tuple[str, str, str]]
    at: str
    at_label: str
    is_right: bool
    was: str | None
    was_label: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class NamesView:
    """A list that names some and holds the others back."""

    label: str
    first: list[tuple[str, str]]
    more: list[tuple[str, str]]
    more_label: str


@dataclass(frozen=True, kw_only=True)
class DryView:
    """What a card would flag."""

    verb: str
    what: str
    note: str
    histogram: HistogramView | None
    names: list[NamesView]
    warning: str


@dataclass(frozen=True, kw_only=True)
class ReplayView:
    """A table of four quarters and the year."""

    heads: list[tuple[str, str]]
    flagged: list[str]
    back: list[str]
    what: str


def dry_view(
    found: Tried,
    settings: DetectionSettings,
    saved: DetectionSettings,
    *,
    head: Head,
    organization: str,
    names: Mapping[str, str],
) -> DryView:
    """A sentence, a histogram, names, and a warning where the threshold does not fit."""
    type_ = found.type
    is_on = getattr(settings, type_).enabled
    accounts = len({subject.account for subject in found.flagged})
    what = counted(accounts, "account")
    if type_ == "lapse":
        what += f", {_sizes_and_grades(len(found.flagged))}"
    new, gone = _accounts(found.new), _accounts(found.gone)
    if not is_on:
        verb, note = (
            "Off. Switched on, it would flag",
            f"({len(found.active)} active today would go)" if found.active else "",
        )
    elif not new and not gone:
        verb, note = "Flags", "(as today)"
    else:
        verb, note = (
            "Would flag",
            f"({count(len(found.new))} new, {count(len(found.gone))} would go)",
        )
    shown = [("New", new), ("Would go", gone if is_on else _accounts(found.active))]
    return DryView(
        verb=verb,
        what=what,
        note=note,
        histogram=_histogram(found, settings, saved, head.style) if found.candidates else None,
        names=[
            _names(label, subjects, names, organization) for label, subjects in shown if subjects
        ],
        warning=_warning(found, settings),
    )


def names_needed(found: Mapping[SignalType, Tried]) -> list[str]:
    """The accounts that are named."""
    wanted: set[str] = set()
    for one in found.values():
        for subjects in (one.new, one.gone, one.active):
            wanted.update(subject.account for subject in _accounts(subjects)[:NAMES_AT_MOST])
    return sorted(wanted)


def _accounts(subjects: set[Subject]) -> list[Subject]:
    return sorted(
        subjects,
        key=lambda subject: (subject.account, *(text or "" for text in subject.combo or ())),
    )


def _names(
    label: str, subjects: Sequence[Subject], names: Mapping[str, str], organization: str
) -> NamesView:
    said = [
        (subject_name(subject, names), account_path(organization, subject.account))
        for subject in subjects[:NAMES_AT_MOST]
    ]
    rest = len(subjects) - NAMES_SHOWN
    more_label = (
        f"and {count(rest)} more"
        if len(subjects) <= NAMES_AT_MOST
        else f"and {count(rest)} more, {NAMES_AT_MOST} here"
    )
    return NamesView(
        label=f"{label} ({count(len(subjects))})",
        first=said[:NAMES_SHOWN],
        more=said[NAMES_SHOWN:],
        more_label=more_label if rest > 0 else "",
    )


def subject_name(subject: Subject, names: Mapping[str, str]) -> str:
    """The account's, and the combo."""
    name = plain_name(names.get(subject.account, subject.account))
    if subject.combo is None:
        return name
    return f"{name}: {combo_words(Combo(od=subject.combo.od, grade=subject.combo.grade))}"


def _sizes_and_grades(number: int) -> str:
    return "1 size and grade" if number == 1 else f"{count(number)} sizes and grades"


def _warning(found: Tried, settings: DetectionSettings) -> str:
    usual = usual_days(found.candidates.usual_gaps())
    if found.type == "dormant" and is_too_tight(settings.dormant.gap_days, usual):
        return (
            f"Half of these accounts order every {usual} days or slower: a gap of "
            f"{settings.dormant.gap_days} days"
            " flags many that are merely between two orders."
        )
    if found.type == "lapse":
        slow = round(settings.lapse.lapse_days * 7 / 9)
        late = found.candidates.slow(slow)
        wider = round(settings.lapse.lapse_days * 4 / 3)
        if late and 3 * late >= len(found.flagged) and wider < settings.lapse.history_days:
            left = found.candidates.silent(wider)
            said = (
                f"{count(late)} of the {count(len(found.flagged))} are normally bought every "
                f"{slow} days or slower."
            )
            return (
                f"{said} A window of {wider} days would flag {count(left)}."
                if left < len(found.flagged)
                else said
            )
    return ""


# -- the histogram ------------------------------------------------------------------------------


def _histogram(
    found: Tried, settings: DetectionSettings, saved: DetectionSettings, style: NumberStyle
) -> HistogramView:
    if found.type == "cherry_picking":
        threshold, was = (
            Fraction(settings.cherry_picking.share_above or 0),
            Fraction(saved.cherry_picking.share_above or 0),
        )
        bars, unit = (
            share_bars(len(found.candidates), found.candidates.share_above, threshold),
            "percent",
        )
    elif found.type == "dormant":
        threshold, was = Fraction(settings.dormant.gap_days), Fraction(saved.dormant.gap_days)
        bars, unit = day_bars(found.candidates.days(), settings.dormant.gap_days), "days"
    else:
        threshold, was = Fraction(settings.lapse.lapse_days), Fraction(saved.lapse.lapse_days)
        bars, unit = day_bars(found.candidates.days(), settings.lapse.lapse_days), "days"
    most = bars[-1].high
    flagged = count(len(found.flagged))
    in_unit = (
        f"{_number(threshold)}\u00a0%" if unit == "percent" else counted(int(threshold), "day")
    )
    over = "above" if unit == "percent" else "at"
    return HistogramView(
        label=f"{_who(found, settings, style)}; {flagged} lie {over} "
        f"{in_unit}{'' if unit == 'percent' else ' or more'}",
        bars=_bar_views(bars, most),
        ticks=_ticks(bars, most, unit),
        at=_x(threshold, most),
        at_label=f"{in_unit}: {flagged} flagged",
        is_right=threshold * 2 > most,
        was=_x(was, most) if was != threshold and was < most else None,
        was_label=f"saved: {_number(was)}{'' if unit == 'days' else chr(160) + '%'}",
        caption=f"{_who(found, settings, style)}. Bars rise with the square root of the count.",
    )


def _who(found: Tried, settings: DetectionSettings, style: NumberStyle) -> str:
    number = len(found.candidates)
    if found.type == "dormant":
        least = exact_money(settings.dormant.minimum_lifetime_revenue_cents, style)
        return f"{counted(number, 'account')} of at least {least}, by days since their last order"
    if found.type == "lapse":
        least, months = (
            exact_money(settings.lapse.minimum_revenue_cents, style),
            counted(settings.lapse.minimum_months, "month"),
        )
        return (
            f"{_sizes_and_grades(number)} of at least {least} in {months}, by days since the "
            "last order"
        )
    least, days = (
        exact_money(settings.cherry_picking.minimum_revenue_cents, style),
        settings.cherry_picking.window_days,
    )
    share = found.candidates.usual_share()
    usual = f"; median of the others {percent(round(share * 100))}" if share is not None else ""
    return (
        f"{counted(number, 'account')} of at least {least} in {counted(days, 'day')}, by share "
        f"of specialty{usual}"
    )


def _bar_views(bars: Sequence[Bar], most: Fraction) -> list[BarView]:
    tallest = sqrt(max(bar.count for bar in bars)) or 1.0
    views = []
    for bar in bars:
        if bar.count == 0:
            continue
        height = max(TALLEST_PX * sqrt(bar.count) / tallest, 2.0)
        left, width = float(100 * bar.low / most), float(100 * (bar.high - bar.low) / most)
        gap = min(0.25, width / 8)
        views.append(
            BarView(
                x=f"{left + gap:.2f}%",
                width=f"{width - 2 * gap:.2f}%",
                middle=f"{left + width / 2:.2f}%",
                y=f"{BASE_PX - height:.1f}",
                height=f"{height:.1f}",
                label_y=f"{BASE_PX - height - 5:.1f}",
                count=count(bar.count),
                is_flagged=bar.is_flagged,
            )
        )
    return views


def _ticks(bars: Sequence[Bar], most: Fraction, unit: str) -> list[tuple[str, str, str]]:
    """(x, text, which end of the text stands there)."""
    if unit == "percent":
        return [
            (f"{at}%", f"{at}\u00a0%", "" if at == 0 else "e" if at == 100 else "m")
            for at in range(0, 101, 20)
        ]
    edges = [bar.low for bar in bars][2::2]
    inner = [(_x(edge, most), _number(edge), "m") for edge in edges if 100 * edge / most < 90]
    return [
        ("0%", "0", ""),
        *[tick for tick in inner if float(tick[0][:-1]) > 5],
        ("100%", f"{_number(bars[-1].low)}+ d", "e"),
    ]


def _x(value: Fraction, most: Fraction) -> str:
    return f"{float(100 * value / most):.2f}%"


def _number(value: Fraction) -> str:
    return f"{float(value):g}"


# -- the replay --------------------------------------------------------------------------------


def replay_view(type_: SignalType, quarters: Sequence[Quarter]) -> ReplayView:
    """Each quarter's end, and the year: whoever was flagged at several ends counts once in it."""
    flagged: set[Subject] = set().union(*(quarter.flagged for quarter in quarters))
    back: set[Subject] = set().union(*(quarter.back for quarter in quarters))
    return ReplayView(
        heads=[
            (f"Q{(quarter.ended_on.month - 1) // 3 + 1}", str(quarter.ended_on.year))
            for quarter in quarters
        ],
        flagged=[*(count(len(quarter.flagged)) for quarter in quarters), count(len(flagged))],
        back=[*(count(len(quarter.back)) for quarter in quarters), count(len(back))],
        what="Sizes and grades flagged" if type_ == "lapse" else "Flagged",
    )
