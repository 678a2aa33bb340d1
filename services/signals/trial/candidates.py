"""Which of what reaches a type's floors would be flagged: the three rules over columns, and what a
card says of their measure.

A candidate passes every floor but the one threshold that the histogram draws. The rules are those
of `shared.domain` (dormant, lapse, cherry_picking), said once more over whole columns; a test holds
each answer against them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import polars as pl

from services.signals.trial.columns import Ledger, Look, day_number
from shared.domain.history import Combo
from shared.domain.thresholds import DetectionSettings
from shared.domain.trial import Subject
from shared.events import SignalType

# A share is compared by products of cents with a percentage's thousandths: beyond 64 bits from some
# hundred billion on.
WIDE = pl.Int128


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Of one type on one day.

    `frame` has account and combo (places in `accounts` and `combos`), is_flagged, `seen` (usual
    days between two orders, or the first day behind), and what is measured: days since the last
    order, or spend and specialty.
    """

    type: SignalType
    frame: pl.DataFrame
    accounts: Sequence[str]
    combos: Sequence[Combo]

    def __len__(self) -> int:
        return self.frame.height

    def flagged(self) -> set[Subject]:
        """What the type would open a signal on."""
        return self._subjects(self.frame.filter("is_flagged"))

    def back(self) -> set[Subject]:
        """Flagged on the day, and back within 90 (of candidates that looked behind)."""
        return self._subjects(
            self.frame.filter(pl.col("is_flagged") & pl.col("seen").is_not_null())
        )

    def usual_gaps(self) -> list[int]:
        """Days usually between two orders, of each that has enough of them to say."""
        return self.frame["seen"].drop_nulls().to_list()

    def slow(self, days: int) -> int:
        """How many of the flagged are usually bought so seldom."""
        return int(
            self.frame.select((pl.col("is_flagged") & (pl.col("seen") >= days)).sum()).item()
        )

    def silent(self, days: int) -> int:
        """How many were last bought so long ago."""
        return int((self.frame["days"] >= days).sum())

    def days(self) -> dict[int, int]:
        """days since the last order -> how many."""
        return dict(self.frame["days"].value_counts().iter_rows())

    def share_above(self, percent: Fraction) -> int:
        """How many have a greater share of specialty."""
        return int(self.frame.select(_is_above(percent).sum()).item())

    def usual_share(self) -> Fraction | None:
        """The median share, in percent from 0 to 100, of those that are not flagged."""
        others = self.frame.filter(~pl.col("is_flagged"))
        if not others.height:
            return None
        ranked = others.sort(pl.col("specialty") / pl.col("spend"))
        specialty, spend = ranked.select("specialty", "spend").row(others.height // 2)
        return min(max(Fraction(100 * specialty, spend), Fraction(0)), Fraction(100))

    def _subjects(self, frame: pl.DataFrame) -> set[Subject]:
        if self.type == "lapse":
            return {
                Subject(self.accounts[account], self.combos[combo])
                for account, combo in frame.select("account", "combo").rows()
            }
        return {Subject(self.accounts[account]) for account in frame["account"]}


def candidates(
    type_: SignalType,
    ledger: Ledger,
    settings: DetectionSettings,
    as_of: date,
    *,
    look: Look = "before",
) -> Candidates:
    """All that pass the other floors, whether the type is switched on or not."""
    day, gap = day_number(as_of), settings.dormant.gap_days
    combos: list[Combo] = []
    if type_ == "dormant":
        found = ledger.dormant(settings, as_of, look).with_columns(days=day - pl.col("last"))
        found = found.with_columns(is_flagged=pl.col("days") >= gap)
    elif type_ == "lapse":
        found, combos = ledger.lapse(settings, as_of, look)
        found = found.filter(day - pl.col("account_last") < gap).with_columns(
            days=day - pl.col("last")
        )
        found = found.with_columns(is_flagged=pl.col("days") >= settings.lapse.lapse_days)
    else:
        found = ledger.cherry_picking(settings, as_of, look)
        share = settings.cherry_picking.share_above
        found = found.with_columns(
            is_flagged=pl.lit(False) if share is None else _is_above(Fraction(share))
        )
    return Candidates(type=type_, frame=found, accounts=ledger.accounts, combos=combos)


def _is_above(percent: Fraction) -> pl.Expr:
    """Strictly, without rounding."""
    return (
        pl.col("specialty").cast(WIDE) * 100 * percent.denominator
        > pl.col("spend").cast(WIDE) * percent.numerator
    )
