"""Win-Back settings as they are shown: cards, the dry run beside each, its histogram, the replay
below.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from math import sqrt
from typing import Any

from services.signals.actions.settings import Change
from services.signals.console.paths import account_path
from services.signals.console.settings import detection_form
from services.signals.store.head import Head
from services.signals.trial.dry_run import Quarter, Tried
from shared.domain.thresholds import DetectionSettings
from shared.domain.trial import Bar, Subject, day_bars, is_too_tight, share_bars, usual_days
from shared.domain.typed_numbers import NumberStyle
from shared.events import Combo, SignalType
from shared.wording import (
    TYPE_LETTERS,
    TYPE_TITLES,
    age,
    combo_words,
    count,
    counted,
    exact_money,
    percent,
    plain_name,
)

MEANINGS: dict[SignalType, str] = {
    "dormant": "The account stopped ordering altogether.",
    "lapse": "The account still orders, but a size and grade it used to buy has gone silent.",
    "cherry_picking": "The account buys its hard-to-find sizes here and the rest elsewhere.",
}
TABLES = ("sizes.", "grade_aliases.")
NAMES_SHOWN = 3
NAMES_AT_MOST = 200
BASE_PX, TALLEST_PX = 104, 70


@dataclass(frozen=True, kw_only=True)
class FieldView:
    """One input. `reset` is the default as it is typed, where something else is."""

    key: str
    id: str
    label: str
    value: str
    unit: str
    default: str
    reset: str | None
    error: str | None
    is_changed: bool


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


@dataclass(frozen=True, kw_only=True)
class CardView:
    """One type."""

    type: SignalType
    letter: str
    title: str
    meaning: str
    is_on: bool
    fields: list[FieldView]
    dry: DryView | None
    no_dry: str
    replay: ReplayView | None


def card_view(
    type_: SignalType,
    *,
    typed: Mapping[str, str],
    saved: Mapping[str, str],
    errors: Mapping[str, str],
    style: NumberStyle,
    dry: DryView | None,
    no_dry: str,
    replay: ReplayView | None,
) -> CardView:
    """A card with what is typed in it, whether that can be or not."""
    return CardView(
        type=type_,
        letter=TYPE_LETTERS[type_],
        title=TYPE_TITLES[type_],
        meaning=MEANINGS[type_],
        is_on=typed.get(f"{type_}.enabled") == "on",
        fields=[
            _field_view(spec, typed, saved, errors, style) for spec in detection_form.CARDS[type_]
        ],
        dry=dry,
        no_dry=no_dry,
        replay=replay,
    )


def _field_view(
    spec: detection_form.FieldSpec,
    typed: Mapping[str, str],
    saved: Mapping[str, str],
    errors: Mapping[str, str],
    style: NumberStyle,
) -> FieldView:
    value, default = typed.get(spec.key, ""), detection_form.default_of(spec, style)
    return FieldView(
        key=spec.key,
        id=spec.key.replace(".", "-"),
        label=spec.label,
        value=value,
        unit=style.currency if spec.kind == "money" else detection_form.UNITS[spec.kind],
        default=detection_form.default_in_words(spec, style),
        reset=None if detection_form.means_the_same(spec, value, default, style) else default,
        error=errors.get(spec.key),
        is_changed=not detection_form.means_the_same(spec, value, saved.get(spec.key, ""), style),
    )


# -- the dry run ---------------------------------------------------------------------------------------------------------------


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
        histogram=_histogram(found, settings, saved, head) if found.candidates else None,
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
        (_name(subject, names), account_path(organization, subject.account))
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


def _name(subject: Subject, names: Mapping[str, str]) -> str:
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


# -- the histogram ---------------------------------------------------------------------------------------------------------------


def _histogram(
    found: Tried, settings: DetectionSettings, saved: DetectionSettings, head: Head
) -> HistogramView:
    if found.type == "cherry_picking":
        threshold, was = (
            Fraction(settings.cherry_picking.share_percent),
            Fraction(saved.cherry_picking.share_percent),
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
        label=f"{_who(found, settings, head)}; {flagged} lie {over} "
        f"{in_unit}{'' if unit == 'percent' else ' or more'}",
        bars=_bar_views(bars, most),
        ticks=_ticks(bars, most, unit),
        at=_x(threshold, most),
        at_label=f"{in_unit}: {flagged} flagged",
        is_right=threshold * 2 > most,
        was=_x(was, most) if was != threshold and was < most else None,
        was_label=f"saved: {_number(was)}{'' if unit == 'days' else chr(160) + '%'}",
        caption=f"{_who(found, settings, head)}. Bars rise with the square root of the count.",
    )


def _who(found: Tried, settings: DetectionSettings, head: Head) -> str:
    number = len(found.candidates)
    if found.type == "dormant":
        least = exact_money(settings.dormant.minimum_lifetime_revenue_cents, head.style)
        return f"{counted(number, 'account')} of at least {least}, by days since their last order"
    if found.type == "lapse":
        least, months = (
            exact_money(settings.lapse.minimum_revenue_cents, head.style),
            counted(settings.lapse.minimum_months, "month"),
        )
        return (
            f"{_sizes_and_grades(number)} of at least {least} in {months}, by days since the "
            "last order"
        )
    least, days = (
        exact_money(settings.cherry_picking.minimum_revenue_cents, head.style),
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


# -- replay and history ------------------------------------------------------------------------------------------------------------


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


def change_words(change: Change, style: NumberStyle) -> str:
    """Inactivity gap: 90 days to 75 days."""
    section, _, name = change.key.partition(".")
    if change.key in detection_form.FIELDS:
        spec = detection_form.FIELDS[change.key]
        old, new = (
            detection_form.in_words(spec, value, style) for value in (change.old, change.new)
        )
        return f"{TYPE_TITLES[_type(section)]}, {spec.label[0].lower()}{spec.label[1:]}: {old} to {new}"
    if name == "enabled":
        return f"{TYPE_TITLES[_type(section)]} switched {'on' if change.new else 'off'}"
    table = "Grade" if section == "grade_aliases" else "Size"
    if change.old is None:
        return f"{table} {plain_name(name)} is read as {plain_name(str(change.new))}"
    if change.new is None:
        return f"{table} {plain_name(name)} is no longer taught"
    return (
        f"{table} {plain_name(name)} is read as {plain_name(str(change.new))}, no longer "
        f"{plain_name(str(change.old))}"
    )


def saved_words(changes: Sequence[Change], style: NumberStyle) -> str:
    """What a save stored, setting by setting; rows of the tables are counted."""
    said = [change_words(change, style) for change in changes if not change.key.startswith(TABLES)]
    rows = len(changes) - len(said)
    return "; ".join([*said, *([counted(rows, "row") + " of the tables"] if rows else [])])


def _type(section: str) -> SignalType:
    return next(type_ for type_ in TYPE_TITLES if type_ == section)


def save_words(
    changes: Sequence[Change],
    found: Mapping[SignalType, Tried] | None,
    wanted: DetectionSettings | None,
) -> tuple[str, str]:
    """(what changes, what saving starts)."""
    if not changes:
        return "Nothing is changed", ""
    changed = {change.key.partition(".")[0] for change in changes}
    head = (
        f"{counted(len(changes), 'change')} in "
        f"{', '.join(title for type_, title in TYPE_TITLES.items() if type_ in changed)}"
    )
    if found is None or wanted is None or len(found) < len(TYPE_TITLES):
        return head, "Saving starts a run."
    opened = sum(len(one.new) for type_, one in found.items() if getattr(wanted, type_).enabled)
    closed = sum(
        len(one.gone if getattr(wanted, type_).enabled else one.active)
        for type_, one in found.items()
    )
    return (
        head,
        f"Saving starts a run: {counted(opened, 'signal')} would open, {count(closed)} would close.",
    )


@dataclass(frozen=True, kw_only=True)
class VersionView:
    """One version of the settings: who saved it when, and what it changed."""

    number: int
    by: str
    ago: str
    at: datetime
    at_exact: str
    changes: list[str]


def version_view(
    number: int,
    by: str,
    at: datetime,
    exact: str,
    changes: Sequence[Change],
    *,
    style: NumberStyle,
    now: datetime,
) -> VersionView:
    """With at most ten of its changes."""
    said = [change_words(change, style) for change in changes]
    return VersionView(
        number=number,
        by=plain_name(by),
        ago=f"{age(now - at)} ago",
        at=at,
        at_exact=exact,
        changes=said if len(said) <= 10 else [*said[:10], f"and {count(len(said) - 10)} more"],
    )


def error_summary(errors: Mapping[str, str]) -> list[dict[str, Any]]:
    """(label, anchor, what is wrong) of each, in the order of the page."""
    ordered = [key for key in detection_form.FIELDS if key in errors] + [
        key for key in errors if key not in detection_form.FIELDS
    ]
    return [
        {
            "label": detection_form.FIELDS[key].label if key in detection_form.FIELDS else key,
            "anchor": key.replace(".", "-"),
            "reason": errors[key],
        }
        for key in ordered
    ]


def day_words(day: date) -> str:
    """Of the dry run's note."""
    return f"{day:%-d} {day:%b %Y}"
