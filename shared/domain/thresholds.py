"""The detection settings of an organization: thresholds and switches of the three types, size
table, grade aliases.

product.md 2 and 10; the JSON is interfaces.md, *Settings as JSON*. They are versioned as a whole
and travel inside each run, so that a replay of the log holds every figure against the same numbers.
`checked` is the only door for input from people.
"""

from decimal import Decimal
from typing import Any

import msgspec

from shared.domain.sizes import read_number
from shared.errors import FieldError, Rejected


class Dormant(msgspec.Struct, frozen=True, kw_only=True):
    """A: the account stopped ordering altogether."""

    enabled: bool = True
    gap_days: int = 90
    minimum_lifetime_revenue_cents: int = 10_000_000


class Lapse(msgspec.Struct, frozen=True, kw_only=True):
    """B: a combo that an active account bought steadily went silent."""

    enabled: bool = False
    lapse_days: int = 90
    history_days: int = 365
    minimum_revenue_cents: int = 5_000_000
    minimum_months: int = 3


class CherryPicking(msgspec.Struct, frozen=True, kw_only=True):
    """C: the account buys only what is hard to find. `minimum_od` (inches) and `share_percent` are
    decimals as text; `specialty_from` and `share_above` are the numbers that rules compare with.
    """

    enabled: bool = False
    window_days: int = 365
    minimum_revenue_cents: int = 5_000_000
    minimum_od: str = "6"
    share_percent: str = "80"

    @property
    def specialty_from(self) -> Decimal | None:
        """Inches. None, and no size is specialty, where it was kept before numbers were strict."""
        return read_number(self.minimum_od)

    @property
    def share_above(self) -> Decimal | None:
        """Percent. None, and no share is above it, where it was kept before numbers were strict."""
        return read_number(self.share_percent)


class DetectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One version of everything that decides which signals fire, apart from the orders."""

    dormant: Dormant = Dormant()
    lapse: Lapse = Lapse()
    cherry_picking: CherryPicking = CherryPicking()
    grade_aliases: dict[str, str] = msgspec.field(default_factory=lambda: {"GR-B": "B"})
    sizes: dict[str, str] = msgspec.field(default_factory=dict)


DEFAULTS = DetectionSettings()
LARGEST_CENTS = 10**15
LARGEST_DAYS = 3650
LARGEST_MONTHS = 120
LARGEST_TABLE = 10_000
LARGEST_PLACES = 3  # of inches and percentages

_RANGES: dict[str, tuple[int, int]] = {
    "dormant.gap_days": (1, LARGEST_DAYS),
    "dormant.minimum_lifetime_revenue_cents": (0, LARGEST_CENTS),
    "lapse.lapse_days": (1, LARGEST_DAYS),
    "lapse.history_days": (2, LARGEST_DAYS),
    "lapse.minimum_revenue_cents": (0, LARGEST_CENTS),
    "lapse.minimum_months": (1, LARGEST_MONTHS),
    "cherry_picking.window_days": (1, LARGEST_DAYS),
    "cherry_picking.minimum_revenue_cents": (0, LARGEST_CENTS),
}


def checked(patch: Any, current: DetectionSettings = DEFAULTS) -> DetectionSettings:
    """`current` with the keys of `patch` (decoded JSON) set; keys left out keep their value, tables
    are replaced whole.

    Raises Rejected with every field that is wrong, each by its dotted name.
    """
    if not isinstance(patch, dict):
        raise Rejected(FieldError(field="settings", reason="must be a JSON object"))
    merged: dict[str, Any] = msgspec.to_builtins(current)
    errors: list[FieldError] = []
    for key, value in patch.items():
        if key not in merged:
            errors.append(FieldError(field=str(key), reason="is not a setting"))
        elif key in ("grade_aliases", "sizes"):
            merged[key] = value
        elif not isinstance(value, dict):
            errors.append(FieldError(field=key, reason="must be a JSON object"))
        else:
            for inner, inner_value in value.items():
                if inner in merged[key]:
                    merged[key][inner] = inner_value
                else:
                    errors.append(FieldError(field=f"{key}.{inner}", reason="is not a setting"))
    errors += _wrong_values(merged)
    if errors:
        raise Rejected(*errors)
    return msgspec.convert(merged, DetectionSettings)


def _wrong_values(merged: dict[str, Any]) -> list[FieldError]:
    errors: list[FieldError] = []

    def wrong(field: str, reason: str) -> None:
        errors.append(FieldError(field=field, reason=reason))

    for name in ("dormant", "lapse", "cherry_picking"):
        if not isinstance(merged[name]["enabled"], bool):
            wrong(f"{name}.enabled", "must be true or false")
    for field, (least, most) in _RANGES.items():
        section, name = field.split(".")
        value = merged[section][name]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            wrong(field, f"must be a whole number from {least} to {most}")
    if not errors and merged["lapse"]["history_days"] <= merged["lapse"]["lapse_days"]:
        wrong("lapse.history_days", "must be greater than lapse.lapse_days")
    cherry = merged["cherry_picking"]
    if not _decimal_between(cherry["minimum_od"], Decimal(0), Decimal("999.999")):
        wrong("cherry_picking.minimum_od", "must be inches as decimal text, above 0 and below 1000")
    if not _decimal_between(cherry["share_percent"], Decimal(0), Decimal(100)):
        wrong(
            "cherry_picking.share_percent",
            "must be a percentage as decimal text, above 0 and at most 100",
        )
    for table in ("grade_aliases", "sizes"):
        rows = merged[table]
        if not isinstance(rows, dict) or not all(
            isinstance(k, str) and isinstance(v, str) for k, v in rows.items()
        ):
            wrong(table, "must be a JSON object from text to text")
        elif len(rows) > LARGEST_TABLE:
            wrong(table, f"has more than {LARGEST_TABLE} rows")
        else:
            for key, value in rows.items():
                if not key.strip() or len(key) > 64 or not value.strip() or len(value) > 64:
                    wrong(f"{table}.{key[:64]}", "both texts need 1 to 64 characters")
                elif table == "sizes" and not _decimal_between(
                    value, Decimal(0), Decimal("999.999")
                ):
                    wrong(f"sizes.{key}", "must be inches as decimal text, above 0 and below 1000")
    return errors


def _decimal_between(value: Any, above: Decimal, most: Decimal) -> bool:
    """True for plain decimal text above `above`, up to `most`, with three places at most."""
    if not isinstance(value, str) or len(value) > 16:
        return False
    number = read_number(value)
    is_fine = len(value.partition(".")[2]) <= LARGEST_PLACES
    return number is not None and is_fine and above < number <= most
