"""The orders of an organization as columns in memory, and each account's past on any day out of them: what thresholds are tried on.

A ledger is read from PostgreSQL in one pass (store.trials.ledger) and then answers whatever is typed without another query: some
25 bytes a line. What the windows decide is aggregated in columns; what the floors let pass, which is little, becomes `Past`s
for the detector's own rules. Nothing here says what is flagged.
"""

import io
from datetime import date
from decimal import Decimal
from typing import Literal

import polars as pl

from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.history import NEVER, Combo, ComboStanding, Standing
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings
from shared.domain.trial import BACK_WITHIN, Past
from shared.events import SignalType

BETWEEN = "\x1f"  # the lines of one order in a field
PER_LINE = ("od", "grade", "cents")
SCHEMA = {"account": pl.String, "day": pl.Int32, "od": pl.String, "grade": pl.String, "cents": pl.String}
EPOCH = date(1970, 1, 1).toordinal()
BACK_DAYS = BACK_WITHIN.days
NO_COMBO = -1

Look = Literal["before", "behind"]


class Ambiguous(Exception):
    """A text holds what stands BETWEEN lines: it must be sent with something else in its place."""


class Ledger:
    """Lines of orders that are not cancelled: account, day (since 1970), texts as sent (as numbers), net in cents."""

    def __init__(self, csv: bytes) -> None:
        """`csv`: an order a row, as SCHEMA says; the lines of od, grade and cents BETWEEN each other. Raises Ambiguous."""
        orders = pl.read_csv(io.BytesIO(csv), has_header=False, schema=SCHEMA) if csv else pl.DataFrame(schema=SCHEMA)
        self.accounts, account = _numbered(orders["account"])
        split = orders.select(account, "day", *(pl.col(name).fill_null("").str.split(BETWEEN) for name in PER_LINE))
        if split.select(pl.any_horizontal(pl.col("od", "grade").list.len() != pl.col("cents").list.len()).any()).item():
            raise Ambiguous
        lines = split.explode(PER_LINE)
        self.ods, od = _numbered(lines["od"])
        self.grades, grade = _numbered(lines["grade"])
        self._lines = lines.select("account", "day", od, grade, pl.col("cents").cast(pl.Int64))
        self._days = _cells(self._lines, ["account"])
        self._combos: tuple[object, list[Combo], pl.DataFrame] | None = None
        self._kinds: tuple[object, pl.DataFrame] | None = None

    @property
    def size_bytes(self) -> int:
        """Of the columns."""
        return int(self._lines.estimated_size() + self._days.estimated_size())

    def pasts(self, type_: SignalType, settings: DetectionSettings, as_of: date, *, look: Look = "before") -> list[Past]:
        """Every account (for B every account with its combos) that reaches the type's floors on the day.

        `look`: before the day for what is usual (typical_days), or behind it for who came back (back_on).
        """
        if type_ == "dormant":
            return self._dormant(settings, as_of, look)
        return self._lapse(settings, as_of, look) if type_ == "lapse" else self._cherry_picking(settings, as_of, look)

    def _dormant(self, settings: DetectionSettings, as_of: date, look: Look) -> list[Past]:
        day, least = _number(as_of), settings.dormant.minimum_lifetime_revenue_cents
        reaching = (
            self._days.filter(pl.col("day") <= day)
            .group_by("key")
            .agg(pl.first("account"), lifetime=pl.col("cents").sum(), last=pl.col("activity").max())
            .filter(pl.col("last").is_not_null() & (pl.col("lifetime") >= least))
        )
        rows = _with(reaching, self._days, day, None, look).select("account", "lifetime", "last", "seen").iter_rows()
        return [
            _past(self.accounts[account], _standing(as_of, last=last + EPOCH, lifetime_cents=lifetime), {None: seen}, look)
            for account, lifetime, last, seen in rows
        ]

    def _lapse(self, settings: DetectionSettings, as_of: date, look: Look) -> list[Past]:
        day, lapse = _number(as_of), settings.lapse
        start = day - lapse.history_days
        names, cells = self._read_combos(settings)
        is_first = pl.col("before").is_null() | (pl.col("before") <= start)
        reaching = (
            cells.filter((pl.col("day") > start) & (pl.col("day") <= day))
            .group_by("key")
            .agg(
                pl.first("account"),
                pl.first("combo"),
                earned=pl.col("cents").sum(),
                last=pl.col("activity").max(),
                months=((pl.col("is_new_month") | is_first) & pl.col("activity").is_not_null()).sum(),
            )
            .filter(
                pl.col("last").is_not_null()
                & (pl.col("earned") >= lapse.minimum_revenue_cents)
                & (pl.col("months") >= lapse.minimum_months)
            )
        )
        last_of = self._days.filter(pl.col("day") <= day).group_by("account").agg(account_last=pl.max("activity"))
        rows = (
            _with(reaching, cells, day, start, look)
            .join(last_of, on="account")
            .select("account", "account_last", "combo", "last", "earned", "months", "seen")
        )
        found: dict[int, tuple[Standing, dict[Combo | None, int | None]]] = {}
        for account, account_last, combo, last, cents, number, seen in rows.iter_rows():
            if account not in found:
                found[account] = (_standing(as_of, last=account_last + EPOCH), {})
            standing, seen_of = found[account]
            what = names[combo]
            standing.combos[what] = ComboStanding(last=last + EPOCH, revenue_cents=cents, months=set(range(number)))
            seen_of[what] = seen
        return [_past(self.accounts[account], standing, seen_of, look) for account, (standing, seen_of) in found.items()]

    def _cherry_picking(self, settings: DetectionSettings, as_of: date, look: Look) -> list[Past]:
        day, cherry = _number(as_of), settings.cherry_picking
        kinds = self._read_kinds(settings)
        reaching = (
            kinds.filter((pl.col("day") > day - cherry.window_days) & (pl.col("day") <= day))
            .group_by("account")
            .agg(spend=pl.col("cents").sum(), specialty=pl.col("specialty").sum())
            .filter((pl.col("spend") > 0) & (pl.col("spend") >= cherry.minimum_revenue_cents))
            .with_columns(seen=pl.lit(None, pl.Int32))
        )
        if look == "behind":
            standard = kinds.filter("has_standard").select("day", key="account", activity="day")
            reaching = _with(reaching.drop("seen").with_columns(key="account"), standard, day, None, look)
        return [
            _past(self.accounts[account], _standing(as_of, spend_cents=spend, specialty_cents=specialty), {None: seen}, look)
            for account, spend, specialty, seen in reaching.select("account", "spend", "specialty", "seen").iter_rows()
        ]

    def _read_combos(self, settings: DetectionSettings) -> tuple[list[Combo], pl.DataFrame]:
        """What was bought of each combo on each day, under these tables of sizes and grades; kept until they are others."""
        reading = (dict(settings.sizes), dict(settings.grade_aliases))
        kept = self._combos
        if kept is not None and kept[0] == reading:
            return kept[1], kept[2]
        sizes, aliases = TaughtSizes(settings.sizes), TaughtGrades(settings.grade_aliases)
        ods = [read_od(text, sizes).value for text in self.ods]
        grades = [read_grade(text, aliases) for text in self.grades]
        numbers: dict[Combo, int] = {}
        by_texts = [
            NO_COMBO if od is None and grade is None else numbers.setdefault(Combo(od, grade), len(numbers))
            for od in ods
            for grade in grades
        ]
        place = self._lines["od"].cast(pl.Int64) * max(1, len(grades)) + self._lines["grade"].cast(pl.Int64)
        combo = pl.Series("combo", by_texts, dtype=pl.Int32).gather(place)
        cells = _cells(
            self._lines.select("account", "day", "cents", combo=combo).filter(pl.col("combo") != NO_COMBO), ["account", "combo"]
        )
        month = pl.col("activity").cast(pl.Date).dt.truncate("1mo")
        cells = cells.with_columns(is_new_month=(month != pl.col("before").cast(pl.Date).dt.truncate("1mo")).fill_null(True))
        self._combos = (reading, list(numbers), cells)
        return self._combos[1], cells

    def _read_kinds(self, settings: DetectionSettings) -> pl.DataFrame:
        """Each account's days: net, net of specialty sizes, whether a standard line was bought; kept for the same specialty."""
        reading = (dict(settings.sizes), settings.cherry_picking.minimum_od)
        kept = self._kinds
        if kept is not None and kept[0] == reading:
            return kept[1]
        sizes, least = TaughtSizes(settings.sizes), Decimal(settings.cherry_picking.minimum_od)
        read = [read_od(text, sizes).value for text in self.ods]
        special = pl.Series([od is not None and Decimal(od) >= least for od in read], dtype=pl.Boolean)
        kinds = (
            self._lines.select("account", "day", "cents", special=special.gather(self._lines["od"]))
            .group_by("account", "day")
            .agg(
                pl.col("cents").sum(),
                specialty=pl.col("cents").filter("special").sum(),
                has_standard=((pl.col("cents") > 0) & ~pl.col("special")).any(),
            )
        )
        self._kinds = (reading, kinds)
        return kinds


def _numbered(texts: pl.Series) -> tuple[list[str], pl.Series]:
    """The distinct texts, and each row's place among them."""
    distinct = texts.unique()
    return distinct.to_list(), texts.cast(pl.Enum(distinct)).to_physical().cast(pl.UInt32)


def _cells(lines: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Lines summed by day: key (a number for what it is by), day, cents, activity (the day, where a line was positive), and
    before, the activity before that one."""
    return (
        lines.group_by(*by, "day")
        .agg(pl.col("cents").sum(), is_activity=pl.col("cents").max() > 0)
        .sort(*by, "day")
        .with_columns(key=pl.struct(by).rle_id() if len(by) > 1 else pl.col(by[0]), activity=pl.when("is_activity").then("day"))
        .with_columns(before=pl.col("activity").forward_fill().shift().over("key"))
        .drop("is_activity")
    )


def _with(reaching: pl.DataFrame, cells: pl.DataFrame, day: int, start: int | None, look: Look) -> pl.DataFrame:
    """`reaching` with `seen`: the median gap between activities of (start, day], or the first activity in the 90 days behind."""
    if look == "behind":
        after = cells.filter((pl.col("activity") > day) & (pl.col("activity") <= day + BACK_DAYS))
        return reaching.join(after.group_by("key").agg(seen=pl.min("activity")), on="key", how="left")
    counts = (pl.col("activity") <= day) & (pl.col("before") > (start if start is not None else -EPOCH))
    medians = (
        cells.filter(counts)
        .join(reaching, on="key", how="semi")
        .select("key", gap=pl.col("activity") - pl.col("before"))
        .sort("gap")
        .group_by("key")
        .agg(seen=pl.col("gap").get((pl.len() - 1) // 2), gaps=pl.len())
        .filter(pl.col("gaps") >= 2)
        .select("key", "seen")
    )
    return reaching.join(medians, on="key", how="left")


def _past(account: str, standing: Standing, seen: dict[Combo | None, int | None], look: Look) -> Past:
    known = {what: value for what, value in seen.items() if value is not None}
    if look == "before":
        return Past(account=account, standing=standing, typical_days=known)
    return Past(
        account=account, standing=standing, back_on={what: date.fromordinal(value + EPOCH) for what, value in known.items()}
    )


def _standing(as_of: date, *, last: int = 0, lifetime_cents: int = 0, spend_cents: int = 0, specialty_cents: int = 0) -> Standing:
    return Standing(
        on=as_of.toordinal(),
        last=last,
        lifetime_cents=lifetime_cents,
        combos={},
        spend_cents=spend_cents,
        specialty_cents=specialty_cents,
        next_change=NEVER,
    )


def _number(day: date) -> int:
    return day.toordinal() - EPOCH
