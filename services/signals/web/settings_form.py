"""Win-Back settings as a form: texts as people type them, to and from the settings as JSON.

Money is typed in the currency, not in its minor units; thousands may be grouped. What cannot be read goes on as text to
`thresholds.checked`, so that there is one place that refuses, and comes back beside its field in words for people.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import msgspec

from shared.domain.money import LARGEST_CENTS, NotMoney, minor_places, read_money
from shared.domain.thresholds import DEFAULTS, LARGEST_DAYS, DetectionSettings
from shared.errors import FieldError
from shared.events import SignalType
from shared.wording import money

Kind = Literal["days", "months", "money", "inches", "percent"]

_GROUPING = re.compile(r"[\s,_\u00a0\u202f']")
_WHOLE = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """One number of a card; `key` is its dotted name in the settings as JSON."""

    key: str
    label: str
    kind: Kind


CARDS: dict[SignalType, tuple[FieldSpec, ...]] = {
    "dormant": (
        FieldSpec(key="dormant.gap_days", label="Inactivity gap", kind="days"),
        FieldSpec(key="dormant.minimum_lifetime_revenue_cents", label="Minimum lifetime revenue", kind="money"),
    ),
    "lapse": (
        FieldSpec(key="lapse.lapse_days", label="Lapse window", kind="days"),
        FieldSpec(key="lapse.history_days", label="History window", kind="days"),
        FieldSpec(key="lapse.minimum_revenue_cents", label="Minimum revenue of the size and grade", kind="money"),
        FieldSpec(key="lapse.minimum_months", label="Minimum different months", kind="months"),
    ),
    "cherry_picking": (
        FieldSpec(key="cherry_picking.minimum_od", label="Specialty from OD", kind="inches"),
        FieldSpec(key="cherry_picking.share_percent", label="Specialty share above", kind="percent"),
        FieldSpec(key="cherry_picking.minimum_revenue_cents", label="Minimum total spend", kind="money"),
        FieldSpec(key="cherry_picking.window_days", label="Window", kind="days"),
    ),
}
FIELDS = {spec.key: spec for specs in CARDS.values() for spec in specs}
UNITS: dict[Kind, str] = {"days": "days", "months": "months", "inches": "in", "percent": "%", "money": ""}


def typed_of(settings: DetectionSettings, currency: str) -> dict[str, str]:
    """The form's texts for these settings; a switch that is on is "on", one that is off is not there."""
    values = msgspec.to_builtins(settings)
    typed = {}
    for type_, specs in CARDS.items():
        if values[type_]["enabled"]:
            typed[f"{type_}.enabled"] = "on"
        for spec in specs:
            typed[spec.key] = shown(spec, _value(values, spec.key), currency)
    return typed


def patch_of(typed: Mapping[str, str], currency: str) -> dict[str, Any]:
    """The settings as JSON that the texts mean; a text that means none stays itself, and is refused by its field."""
    patch: dict[str, Any] = {}
    for type_, specs in CARDS.items():
        patch[type_] = {"enabled": typed.get(f"{type_}.enabled") == "on"}
        for spec in specs:
            patch[type_][spec.key.split(".")[1]] = _read(spec, typed.get(spec.key, ""), currency)
    return patch


def shown(spec: FieldSpec, value: Any, currency: str) -> str:
    """One value as it is typed."""
    if spec.kind == "money":
        amount = Decimal(value).scaleb(-minor_places(currency))
        return f"{amount:,f}".removesuffix("." + "0" * minor_places(currency))
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def in_words(spec: FieldSpec, value: Any, currency: str) -> str:
    """One value as it is said: 90 days, $100,000, 6 in, 80 %."""
    if spec.kind == "money":
        return money(int(value), currency)
    return f"{value}\u00a0{UNITS[spec.kind]}"


def default_of(spec: FieldSpec, currency: str) -> str:
    """The default as it is typed."""
    return shown(spec, _value(msgspec.to_builtins(DEFAULTS), spec.key), currency)


def default_in_words(spec: FieldSpec, currency: str) -> str:
    """The default beside the field; days go without saying."""
    value = _value(msgspec.to_builtins(DEFAULTS), spec.key)
    return str(value) if spec.kind in ("days", "months") else in_words(spec, value, currency)


def errors_of(errors: tuple[FieldError, ...], typed: Mapping[str, str], currency: str) -> dict[str, str]:
    """field -> what is wrong with it, for people."""
    return {error.field: _said(error, typed, currency) for error in errors}


def _said(error: FieldError, typed: Mapping[str, str], currency: str) -> str:
    spec = FIELDS.get(error.field)
    if spec is None:
        return error.reason
    if error.reason == "must be greater than lapse.lapse_days":
        return f"must be longer than the lapse window of {typed.get('lapse.lapse_days', '')} days"
    if not typed.get(spec.key, "").strip():
        return "must not be empty"
    if spec.kind == "money":
        return f"must be an amount such as 50,000, from {money(0, currency)} to {money(LARGEST_CENTS, currency)}"
    if spec.kind == "inches":
        return "must be inches such as 6 or 5.5, above 0 and below 1000"
    if spec.kind == "percent":
        return "must be a percentage above 0 and at most 100"
    least = 2 if spec.key == "lapse.history_days" else 1
    return f"must be a whole number from {least} to {120 if spec.kind == 'months' else f'{LARGEST_DAYS:,}'}"


def _read(spec: FieldSpec, text: str, currency: str) -> Any:
    plain = _GROUPING.sub("", text)
    if spec.kind in ("inches", "percent"):
        return plain.rstrip('%"')
    if spec.kind == "money":
        try:
            amount = read_money(plain.lstrip("$€£"), minor_places(currency))
        except NotMoney:
            return text
        return text if amount.lost else amount.cents
    return int(plain) if _WHOLE.fullmatch(plain) else text


def _value(values: Mapping[str, Any], key: str) -> Any:
    section, name = key.split(".")
    return values[section][name]


# -- tables -----------------------------------------------------------------------------------------------------------------


def table_text(rows: Mapping[str, str]) -> str:
    """A table as lines: `text = meaning`."""
    return "\n".join(f"{key} = {value}" for key, value in sorted(rows.items()))


def read_table(text: str, *, name: str) -> tuple[dict[str, str], list[FieldError]]:
    """Lines as a table: `text = meaning`, or with a tab between, as it is pasted from a sheet."""
    rows: dict[str, str] = {}
    wrong: list[FieldError] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        key, separator, value = line.rpartition("=") if "=" in line else line.partition("\t")
        if not separator or not key.strip() or not value.strip():
            wrong.append(FieldError(field=name, reason=f"line {number}: must be a text, =, and what it is read as"))
        elif not (key + value).replace("\t", " ").isprintable():
            wrong.append(FieldError(field=name, reason=f"line {number}: has characters that cannot be shown"))
        elif key.strip() in rows:
            wrong.append(FieldError(field=name, reason=f"line {number}: {key.strip()} is in the table twice"))
        else:
            rows[key.strip()] = value.strip()
    return rows, wrong
