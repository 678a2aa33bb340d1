"""Win-Back settings as they are shown: a card a type, what saving does, the versions before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.signals.actions.settings import Change
from services.signals.console.settings import detection_form
from services.signals.console.settings.dry_run_view import DryView, ReplayView
from services.signals.trial.dry_run import Tried
from shared.domain.thresholds import DetectionSettings
from shared.domain.typed_numbers import NumberStyle
from shared.events import SignalType
from shared.wording import (
    TYPE_LETTERS,
    TYPE_TITLES,
    age,
    count,
    counted,
    plain_name,
)

MEANINGS: dict[SignalType, str] = {
    "dormant": "The account stopped ordering altogether.",
    "lapse": "The account still orders, but a size and grade it used to buy has gone silent.",
    "cherry_picking": "The account buys its hard-to-find sizes here and the rest elsewhere.",
}
TABLES = ("sizes.", "grade_aliases.")


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


def change_words(change: Change, style: NumberStyle) -> str:
    """Inactivity gap: 90 days to 75 days."""
    section, _, name = change.key.partition(".")
    if change.key in detection_form.FIELDS:
        spec = detection_form.FIELDS[change.key]
        old, new = (
            detection_form.in_words(spec, value, style) for value in (change.old, change.new)
        )
        label = f"{spec.label[0].lower()}{spec.label[1:]}"
        return f"{TYPE_TITLES[_type(section)]}, {label}: {old} to {new}"
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
        f"Saving starts a run: {counted(opened, 'signal')} would open, "
        f"{count(closed)} would close.",
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
