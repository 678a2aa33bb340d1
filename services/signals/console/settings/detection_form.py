"""Win-Back settings as a form: texts as people type them, to and from the settings as JSON.

Every number is typed in the style of the organization's locale (`typed_numbers`); money
in the currency, not in its minor units. What cannot be read for certain goes on as
nothing to `thresholds.checked`, so that there is one place that refuses, and comes back
beside its field in words for people.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import msgspec

from shared.domain.thresholds import (
    DEFAULTS,
    LARGEST_CENTS,
    LARGEST_DAYS,
    LARGEST_MONTHS,
    DetectionSettings,
)
from shared.domain.typed_numbers import (
    NotANumber,
    NumberStyle,
    Unclear,
    read_amount,
    read_inches,
    read_percent,
    read_whole,
    shown_amount,
)
from shared.domain.typed_numbers import shown as shown_number
from shared.errors import FieldError
from shared.events import SignalType
from shared.wording import exact_money

Kind = Literal["days", "months", "money", "inches", "percent"]


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """One number of a card; `key` is its dotted name in the settings as JSON."""

    key: str
    label: str
    kind: Kind


CARDS: dict[SignalType, tuple[FieldSpec, ...]] = {
    "dormant": (
        FieldSpec(key="dormant.gap_days", label="Inactivity gap", kind="days"),
        FieldSpec(
            key="dormant.minimum_lifetime_revenue_cents",
            label="Minimum lifetime revenue",
            kind="money",
        ),
    ),
    "lapse": (
        FieldSpec(key="lapse.lapse_days", label="Lapse window", kind="days"),
        FieldSpec(key="lapse.history_days", label="History window", kind="days"),
        FieldSpec(
            key="lapse.minimum_revenue_cents",
            label="Minimum revenue of the size and grade",
            kind="money",
        ),
        FieldSpec(key="lapse.minimum_months", label="Minimum different months", kind="months"),
    ),
    "cherry_picking": (
        FieldSpec(key="cherry_picking.minimum_od", label="Specialty from OD", kind="inches"),
        FieldSpec(
            key="cherry_picking.share_percent", label="Specialty share above", kind="percent"
        ),
        FieldSpec(
            key="cherry_picking.minimum_revenue_cents", label="Minimum total spend", kind="money"
        ),
        FieldSpec(key="cherry_picking.window_days", label="Window", kind="days"),
    ),
}
FIELDS = {spec.key: spec for specs in CARDS.values() for spec in specs}
READERS: dict[Kind, Callable[[str, NumberStyle], int | str]] = {
    "days": partial(read_whole, most=LARGEST_DAYS),
    "months": partial(read_whole, most=LARGEST_MONTHS),
    "money": read_amount,
    "inches": read_inches,
    "percent": read_percent,
}
UNITS: dict[Kind, str] = {
    "days": "days",
    "months": "months",
    "inches": "in",
    "percent": "%",
    "money": "",
}


def typed_of(settings: DetectionSettings, style: NumberStyle) -> dict[str, str]:
    """The form's texts for these settings; a switch that is on is
    "on", one that is off is not there.
    """
    values = msgspec.to_builtins(settings)
    typed = {}
    for type_, specs in CARDS.items():
        if values[type_]["enabled"]:
            typed[f"{type_}.enabled"] = "on"
        for spec in specs:
            typed[spec.key] = shown(spec, _value(values, spec.key), style)
    return typed


def patch_of(typed: Mapping[str, str], style: NumberStyle) -> dict[str, Any]:
    """The settings as JSON that the texts mean; a text that means nothing for certain is
    None, and is refused by its field.
    """
    patch: dict[str, Any] = {}
    for type_, specs in CARDS.items():
        patch[type_] = {"enabled": typed.get(f"{type_}.enabled") == "on"}
        for spec in specs:
            patch[type_][spec.key.split(".")[1]] = _read(spec, typed.get(spec.key, ""), style)
    return patch


def shown(spec: FieldSpec, value: Any, style: NumberStyle) -> str:
    """One value as it is typed."""
    if spec.kind == "money":
        return shown_amount(value, style)
    return (
        shown_number(Decimal(value), style.numbers)
        if spec.kind in ("inches", "percent")
        else str(value)
    )


def in_words(spec: FieldSpec, value: Any, style: NumberStyle) -> str:
    """One value as it is said: 90 days, $100,000, 6 in, 80 %."""
    if spec.kind == "money":
        return exact_money(int(value), style)
    return f"{shown(spec, value, style)}\u00a0{UNITS[spec.kind]}"


def means_the_same(spec: FieldSpec, one: str, other: str, style: NumberStyle) -> bool:
    """Whether two texts are one value, however they are written."""
    value = _read(spec, one, style)
    return one == other if value is None else value == _read(spec, other, style)


def default_of(spec: FieldSpec, style: NumberStyle) -> str:
    """The default as it is typed."""
    return shown(spec, _value(msgspec.to_builtins(DEFAULTS), spec.key), style)


def default_in_words(spec: FieldSpec, style: NumberStyle) -> str:
    """The default beside the field; days go without saying."""
    value = _value(msgspec.to_builtins(DEFAULTS), spec.key)
    return str(value) if spec.kind in ("days", "months") else in_words(spec, value, style)


def errors_of(
    errors: tuple[FieldError, ...], typed: Mapping[str, str], style: NumberStyle
) -> dict[str, str]:
    """field -> what is wrong with it, for people."""
    return {error.field: _said(error, typed, style) for error in errors}


def _said(error: FieldError, typed: Mapping[str, str], style: NumberStyle) -> str:
    spec = FIELDS.get(error.field)
    if spec is None:
        return error.reason
    if error.reason == "must be greater than lapse.lapse_days":
        return f"must be longer than the lapse window of {typed.get('lapse.lapse_days', '')} days"
    if not typed.get(spec.key, "").strip():
        return "must not be empty"
    with suppress(NotANumber):
        try:
            READERS[spec.kind](typed[spec.key], style)
        except Unclear as unclear:
            return str(unclear)
    return _what_it_may_be(spec, style)


def _what_it_may_be(spec: FieldSpec, style: NumberStyle) -> str:
    if spec.kind == "money":
        example = shown_amount(50_000 * 10**style.places, style)
        return (
            f"must be an amount such as {example}, from {exact_money(0, style)} to "
            f"{exact_money(LARGEST_CENTS, style)}"
        )
    if spec.kind == "inches":
        return (
            f"must be inches such as 6 or {shown_number(Decimal('5.5'), style.numbers)}, above "
            "0 and below 1000"
        )
    if spec.kind == "percent":
        return "must be a percentage above 0 and at most 100"
    least = 2 if spec.key == "lapse.history_days" else 1
    most = shown_number(
        Decimal(LARGEST_MONTHS if spec.kind == "months" else LARGEST_DAYS), style.numbers
    )
    return f"must be a whole number from {least} to {most}"


def _read(spec: FieldSpec, text: str, style: NumberStyle) -> int | str | None:
    """What the text means; None where it means nothing for certain."""
    try:
        return READERS[spec.kind](text, style)
    except NotANumber:
        return None


def _value(values: Mapping[str, Any], key: str) -> Any:
    section, name = key.split(".")
    return values[section][name]


# -- tables ----------------------------------------------------------------------------------------


def table_text(rows: Mapping[str, str]) -> str:
    """A table as lines: `text = meaning`."""
    return "\n".join(f"{key} = {value}" for key, value in sorted(rows.items()))


def sizes_text(rows: Mapping[str, str], style: NumberStyle) -> str:
    """The size table as lines, its inches as they are typed."""
    return table_text(
        {key: shown_number(Decimal(inches), style.numbers) for key, inches in rows.items()}
    )


def read_sizes(text: str, style: NumberStyle) -> tuple[dict[str, str], list[FieldError]]:
    """Lines as the size table: `text = inches`. Whatever means no inches for certain is among
    the errors, and not in the table.
    """
    typed, wrong = read_table(text, name="sizes")
    rows = {}
    for key, inches in typed.items():
        try:
            rows[key] = read_inches(inches, style)
        except Unclear as unclear:
            wrong.append(FieldError(field=f"sizes.{key[:64]}", reason=str(unclear)))
        except NotANumber:
            example = shown_number(Decimal("6.625"), style.numbers)
            wrong.append(
                FieldError(
                    field=f"sizes.{key[:64]}",
                    reason=f"must be inches such as {example}, above 0 and below 1000",
                )
            )
    return rows, wrong


def read_table(text: str, *, name: str) -> tuple[dict[str, str], list[FieldError]]:
    """Lines as a table: `text = meaning`, or with a tab between, as it is pasted from a sheet."""
    rows: dict[str, str] = {}
    wrong: list[FieldError] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        key, separator, value = line.rpartition("=") if "=" in line else line.partition("\t")
        if not separator or not key.strip() or not value.strip():
            wrong.append(
                FieldError(
                    field=name, reason=f"line {number}: must be a text, =, and what it is read as"
                )
            )
        elif not (key + value).replace("\t", " ").isprintable():
            wrong.append(
                FieldError(field=name, reason=f"line {number}: has characters that cannot be shown")
            )
        elif key.strip() in rows:
            wrong.append(
                FieldError(field=name, reason=f"line {number}: {key.strip()} is in the table twice")
            )
        else:
            rows[key.strip()] = value.strip()
    return rows, wrong
