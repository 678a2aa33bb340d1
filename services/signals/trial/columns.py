"""The orders of an organization as columns in memory, and how its accounts stand on any day: what
thresholds are tried on.

A ledger is read from PostgreSQL in one pass (store.trials.orders), follows what changes account by
account (`replaced`), and then answers whatever is typed without another query: some 25 bytes a
line. What the windows decide is aggregated here, and only what the floors let pass is looked at
closer. Which of it is flagged: `services.signals.trial.candidates`.
"""

import io
from collections.abc import Sequence
from datetime import date
from typing import Literal

import polars as pl

from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.history import Combo, is_specialty
from shared.domain.look_alikes import Span, look_alikes
from shared.domain.money import LARGEST_SUM_CENTS
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings
from shared.domain.trial import BACK_WITHIN

BETWEEN = "\x1f"  # the lines of one order in a field
PER_LINE = ("od", "grade", "cents")
SCHEMA = {
    "account": pl.String,
    "day": pl.Int32,
    "od": pl.String,
    "grade": pl.String,
    "cents": pl.String,
}
EPOCH = date(1970, 1, 1).toordinal()
BACK_DAYS = BACK_WITHIN.days
# above every ordinal: an account and a day are one number, which groups twice as fast as two
DAYS = 2**22
WIDE = pl.Int128  # of sums that 64 bits might not hold

Look = Literal["before", "behind"]


class Ambiguous(Exception):
    """A text holds what stands BETWEEN lines: it must be sent with something else in its place."""


class Ledger:
    """Lines of orders that are not cancelled: account, day (since 1970), texts as sent (all as
    numbers), net in cents.

    It never changes: what is computed once for it stays true.
    """

    def __init__(
        self, accounts: list[str], ods: list[str], grades: list[str], lines: pl.DataFrame
    ) -> None:
        self.accounts, self.ods, self.grades, self.lines = accounts, ods, grades, lines
        self._combos: tuple[object, list[Combo], pl.Series] | None = None
        self._days: tuple[object, pl.DataFrame] | None = None
        least, most = lines.select(pl.min("cents"), most=pl.max("cents")).row(0)
        dearest = max(abs(least or 0), abs(most or 0))
        self._sums = pl.Int64 if dearest * lines.height <= LARGEST_SUM_CENTS else WIDE

    @classmethod
    def read(cls, csv: bytes) -> "Ledger":
        """`csv`: an order a row, as SCHEMA says; the lines of od, grade and cents BETWEEN each
        other. Raises Ambiguous.
        """
        orders = (
            pl.read_csv(io.BytesIO(csv), has_header=False, schema=SCHEMA)
            if csv
            else pl.DataFrame(schema=SCHEMA)
        )
        accounts, account = _numbered(orders["account"])
        split = orders.select(
            account, "day", *(pl.col(name).fill_null("").str.split(BETWEEN) for name in PER_LINE)
        )
        if split.select(
            pl.any_horizontal(pl.col("od", "grade").list.len() != pl.col("cents").list.len()).any()
        ).item():
            raise Ambiguous
        lines = split.explode(PER_LINE)
        ods, od = _numbered(lines["od"])
        grades, grade = _numbered(lines["grade"])
        return cls(
            accounts,
            ods,
            grades,
            lines.select("account", "day", od, grade, pl.col("cents").cast(pl.Int64)),
        )

    def replaced(self, accounts: Sequence[str], theirs: "Ledger") -> "Ledger":
        """A ledger in which `accounts` have the lines of `theirs`, and no others."""
        all_accounts, account = _merged(self.accounts, theirs.accounts)
        ods, od = _merged(self.ods, theirs.ods)
        grades, grade = _merged(self.grades, theirs.grades)
        gone = pl.Series(accounts, dtype=pl.String)
        stay = ~pl.Series("stay", self.accounts, dtype=pl.String).is_in(gone.implode())
        coming = theirs.lines.select(
            account.gather(theirs.lines["account"]).alias("account"),
            "day",
            od.gather(theirs.lines["od"]).alias("od"),
            grade.gather(theirs.lines["grade"]).alias("grade"),
            "cents",
        )
        lines = pl.concat([self.lines.filter(stay.gather(self.lines["account"])), coming])
        return Ledger(all_accounts, ods, grades, lines)

    def spans(self, settings: DetectionSettings) -> list[Span]:
        """Who bought grades that look like another one's, and from when to when, as far as there
        was a positive line.
        """
        aliases = TaughtGrades(settings.grade_aliases)
        read = [read_grade(text or None, aliases) for text in self.grades]
        alike = {grade for group in look_alikes(filter(None, read)) for grade in group}
        if not alike:
            return []
        kept = pl.Series("read", [one if one in alike else None for one in read], dtype=pl.String)
        found = (
            self.lines.select("account", "day", "cents", kept.gather(self.lines["grade"]))
            .filter((pl.col("cents") > 0) & pl.col("read").is_not_null())
            .group_by("account", "read")
            .agg(first=pl.col("day").min(), last=pl.col("day").max())
        )
        return [
            Span(
                account=self.accounts[account],
                grade=grade,
                first_on=date.fromordinal(EPOCH + first),
                last_on=date.fromordinal(EPOCH + last),
            )
            for account, grade, first, last in found.iter_rows()
        ]

    @property
    def size_bytes(self) -> int:
        """Of the columns."""
        kept = [
            self.lines,
            *(found[-1] for found in (self._combos, self._days) if found is not None),
        ]
        return int(sum(columns.estimated_size() for columns in kept))

    def dormant(
        self, settings: DetectionSettings, as_of: date, look: Look = "before"
    ) -> pl.DataFrame:
        """account, last (activity day), seen, of each account that earned the minimum in its life
        up to the day.

        `seen` is the median gap between activities before the day (`look` before, null below two
        gaps), or the first activity in the 90 days behind it.
        """
        day, days = day_number(as_of), self._read_days(settings)
        reaching = (
            days.filter(pl.col("day") <= day)
            .group_by("account")
            .agg(lifetime=_saturated("cents"), last=pl.col("activity").max())
            .filter(
                pl.col("last").is_not_null()
                & (pl.col("lifetime") >= settings.dormant.minimum_lifetime_revenue_cents)
            )
        )
        activities = days.select("account", day="activity").drop_nulls()
        if look == "behind":
            return _first_behind(reaching, activities, "account", day).select(
                "account", "last", "seen"
            )
        before = activities.filter(pl.col("day") <= day).join(reaching, on="account", how="semi")
        return reaching.join(_gaps(before, "account"), on="account", how="left").select(
            "account", "last", "seen"
        )

    def lapse(
        self, settings: DetectionSettings, as_of: date, look: Look = "before"
    ) -> tuple[pl.DataFrame, list[Combo]]:
        """account, account_last, combo (its place in the list), last, seen, of each combo that
        reaches the floors of history.
        """
        day, lapse = day_number(as_of), settings.lapse
        start = day - lapse.history_days
        combos, key = self._read_combos(settings)
        lines = (
            self.lines.select("day", "cents", key)
            .filter((pl.col("day") > start) & (pl.col("day") <= day))
            .drop_nulls("key")
        )
        reaching = (
            lines.group_by("key")
            .agg(earned=_saturated(pl.col("cents").cast(self._sums)))
            .filter(pl.col("earned") >= lapse.minimum_revenue_cents)
        )
        bought = (
            lines.filter(pl.col("cents") > 0)
            .join(reaching, on="key", how="semi")
            .select("key", "day")
            .unique()
        )
        found = (
            bought.with_columns(month=pl.col("day").cast(pl.Date).dt.truncate("1mo"))
            .group_by("key")
            .agg(last=pl.col("day").max(), months=pl.col("month").n_unique())
            .filter(pl.col("months") >= lapse.minimum_months)
        )
        if look == "behind":
            later = self.lines.select("day", "cents", key).filter(
                (pl.col("day") > day) & (pl.col("cents") > 0)
            )
            found = _first_behind(found, later, "key", day)
        else:
            found = found.join(
                _gaps(bought.join(found, on="key", how="semi"), "key"), on="key", how="left"
            )
        last_of = (
            self._read_days(settings)
            .filter(pl.col("day") <= day)
            .group_by("account")
            .agg(account_last=pl.max("activity"))
        )
        width = max(1, len(combos))
        subjects = found.select(
            (pl.col("key") // width).cast(pl.UInt32).alias("account"),
            pl.col("key") % width,
            "last",
            "seen",
        )
        return subjects.rename({"key": "combo"}).join(last_of, on="account"), combos

    def cherry_picking(
        self, settings: DetectionSettings, as_of: date, look: Look = "before"
    ) -> pl.DataFrame:
        """account, spend, specialty, seen (null when `look` is before), of each account at the
        floor of spend.
        """
        day, cherry = day_number(as_of), settings.cherry_picking
        days = self._read_days(settings)
        reaching = (
            days.filter((pl.col("day") > day - cherry.window_days) & (pl.col("day") <= day))
            .group_by("account")
            .agg(spend=_saturated("cents"), specialty=_saturated("specialty"))
            .filter((pl.col("spend") > 0) & (pl.col("spend") >= cherry.minimum_revenue_cents))
        )
        if look == "behind":
            return _first_behind(reaching, days.filter(pl.col("standard") > 0), "account", day)
        return reaching.with_columns(seen=pl.lit(None, pl.Int32))

    def _read_combos(self, settings: DetectionSettings) -> tuple[list[Combo], pl.Series]:
        """The combos under these tables of sizes and grades, and of each line account × their
        number + its combo's place, null for none; kept until the tables are others.
        """
        reading = (dict(settings.sizes), dict(settings.grade_aliases))
        if self._combos is None or self._combos[0] != reading:
            sizes, aliases = TaughtSizes(settings.sizes), TaughtGrades(settings.grade_aliases)
            ods = [read_od(text, sizes).value for text in self.ods]
            grades = [read_grade(text, aliases) for text in self.grades]
            places: dict[Combo, int] = {}
            by_texts = [
                None
                if od is None and grade is None
                else places.setdefault(Combo(od, grade), len(places))
                for od in ods
                for grade in grades
            ]
            text = self.lines["od"].cast(pl.Int64) * max(1, len(grades)) + self.lines["grade"].cast(
                pl.Int64
            )
            combo = pl.Series("combo", by_texts, dtype=pl.Int64).gather(text)
            key = (self.lines["account"].cast(pl.Int64) * max(1, len(places)) + combo).alias("key")
            self._combos = (reading, list(places), key)
        return self._combos[1], self._combos[2]

    def _read_days(self, settings: DetectionSettings) -> pl.DataFrame:
        """account, day, cents (net), specialty (net of those sizes), standard (the dearest other
        line), activity: the day, where a line was positive; kept until other sizes are special.
        """
        reading = (dict(settings.sizes), settings.cherry_picking.minimum_od)
        if self._days is None or self._days[0] != reading:
            sizes, least = TaughtSizes(settings.sizes), settings.cherry_picking.specialty_from
            read = [read_od(text, sizes).value for text in self.ods]
            special = pl.Series(
                "special",
                [is_specialty(od, least) for od in read],
                dtype=pl.Boolean,
            )
            lines = self.lines.select(
                pl.col("account").cast(pl.Int64) * DAYS + pl.col("day") + EPOCH,
                "cents",
                special.gather(self.lines["od"]),
            ).with_columns(
                specialty=pl.when("special").then("cents").otherwise(0),
                standard=pl.when("special").then(0).otherwise("cents"),
            )
            sums = lines.group_by("account").agg(
                pl.col("cents", "specialty").cast(self._sums).sum(),
                pl.col("standard").max(),
                dearest=pl.col("cents").max(),
            )
            day = (pl.col("account") % DAYS - EPOCH).cast(pl.Int32)
            days = sums.select(
                (pl.col("account") // DAYS).cast(pl.UInt32),
                day.alias("day"),
                "cents",
                "specialty",
                "standard",
                activity=pl.when(pl.col("dearest") > 0).then(day),
            )
            self._days = (reading, days)
        return self._days[1]


def _saturated(cents: pl.Expr | str) -> pl.Expr:
    """The sum as it is kept (money.saturated); of a column wide enough that it does not wrap."""
    column = pl.col(cents) if isinstance(cents, str) else cents
    return column.sum().clip(-LARGEST_SUM_CENTS, LARGEST_SUM_CENTS).cast(pl.Int64)


def day_number(day: date) -> int:
    """Days since 1970."""
    return day.toordinal() - EPOCH


def _numbered(texts: pl.Series) -> tuple[list[str], pl.Series]:
    """The distinct texts, and each row's place among them."""
    distinct = texts.unique()
    return distinct.to_list(), texts.cast(pl.Enum(distinct)).to_physical().cast(pl.UInt32)


def _merged(mine: list[str], theirs: list[str]) -> tuple[list[str], pl.Series]:
    """`mine` and then what only they have, and where each of theirs stands now."""
    places = {text: place for place, text in enumerate(mine)}
    now = [places.setdefault(text, len(places)) for text in theirs]
    return list(places), pl.Series(now, dtype=pl.UInt32)


def _first_behind(found: pl.DataFrame, activities: pl.DataFrame, by: str, day: int) -> pl.DataFrame:
    """`found` with `seen`, the first activity in the 90 days behind."""
    behind = activities.filter((pl.col("day") > day) & (pl.col("day") <= day + BACK_DAYS))
    return found.join(behind.group_by(by).agg(seen=pl.min("day")), on=by, how="left")


def _gaps(activities: pl.DataFrame, by: str) -> pl.DataFrame:
    """The lower median of the days between neighbouring activities (each day once), as `seen`; for
    what has two gaps or more.
    """
    is_same = pl.col(by) == pl.col(by).shift()
    return (
        activities.sort(by, "day")
        .select(by, gap=pl.when(is_same).then(pl.col("day") - pl.col("day").shift()))
        .drop_nulls("gap")
        .sort(by, "gap")
        .group_by(by)
        .agg(seen=pl.col("gap").get((pl.len() - 1) // 2), gaps=pl.len())
        .filter(pl.col("gaps") >= 2)
        .select(by, "seen")
    )
