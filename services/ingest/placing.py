"""Which order a row is of, where the row does not say it itself.

Exports write what the lines of an order share on its first row alone. A mapping with
`fill_down` says so: an empty cell takes the value of the row above, of the same order, in the
same file; not over an empty line, a total, or a row that cannot be read. What is left without
an order, and a row that cannot be read, refuses each order that it may be of: no order is
stored with fewer lines than the file has.
"""

import polars as pl

from services.ingest.dialects import TEXT, TROUBLE
from services.ingest.quotes import IN_DOUBT, MORE_CELLS

TORN, CUT, RAW = (
    "#torn",
    "#cut",
    "#raw",
)  # the row ends before its last cell that must be; with its order; its first cell
TOTAL, LINES = (
    "#total",
    "#lines",
)  # while cells are filled down: it looks like a total; its lines in the file but the first
BESIDE = [
    "line",
    TROUBLE,
    TEXT,
    RAW,
    TORN,
    CUT,
    TOTAL,
    LINES,
    "part",
]  # in a frame, beside our columns
A_TOTAL = (
    r"(?i)^\s*(?:grand[ -]?|sub[ "
    r"-]?)?(?:total|totaal|totale|sum|summe|gesamt|zwischensumme|suma|somme)\b"
)
OF_A_LINE = ("product", "od", "grade")  # what a line has, and a total has not


class Placing:
    """Takes the rows of one file after the other. `doubts`: order -> why it is
    refused, whatever its own rows say.
    """

    def __init__(self, *, filled: tuple[str, ...] = ()) -> None:
        self.doubts: dict[str, str] = {}
        self._filled = filled
        self._places: dict[str, int] = {}
        self._place = self._last = 0
        self._delimiter = ","
        self._file = ""
        self._before: str | None = None  # the order of the last sound row
        self._waiting: list[str] = []  # reasons for the order of the next sound row
        self._above: pl.DataFrame | None = None  # the last row, with what was filled

    def begin(self, places: dict[str, int], last: int, delimiter: str, name: str) -> None:
        """The rows of another file follow. `last`: place of the last cell that a row must have.
        `name`: where there are several.
        """
        self._places, self._place, self._last, self._delimiter = (
            places,
            places["order"],
            last,
            delimiter,
        )
        self._above = None
        self._file = f" of {name}" if name else ""

    def beside(self, cells: pl.DataFrame) -> list[pl.Expr]:
        """RAW, TORN, CUT, TOTAL and LINES of raw cells."""
        is_total, lines = pl.lit(False), pl.lit(0, dtype=pl.UInt32)
        if self._filled:
            texts = [pl.col(name).fill_null("") for name in cells.columns if name.isdecimal()]
            is_total = pl.any_horizontal(text.str.contains(A_TOTAL) for text in texts)
            if any(name in self._places for name in OF_A_LINE):
                amounts = {
                    str(self._places[name])
                    for name in ("revenue", "revenue_cents", "quantity")
                    if name in self._places
                }
                others = [
                    pl.col(name).fill_null("").str.strip_chars()
                    for name in cells.columns
                    if name.isdecimal() and name not in amounts
                ]
                is_total |= pl.all_horizontal(other == "" for other in others)
            lines = pl.sum_horizontal(text.str.count_matches("[\r\n]") for text in texts)
        cut = pl.col(str(min(self._place + 1, self._last))).is_null()
        torn = pl.col(str(self._last)).is_null()
        return [
            pl.col("0").alias(RAW),
            torn.alias(TORN),
            cut.alias(CUT),
            is_total.alias(TOTAL),
            lines.alias(LINES),
        ]

    def placed(self, texts: pl.DataFrame) -> pl.DataFrame:
        """`texts` (BESIDE, and our columns: text or null), with the cells that are filled,
        and the orders that can be told.
        """
        if texts.is_empty():
            return texts
        if texts[TROUBLE].null_count() < texts.height:
            texts = self._with_readable_orders(texts)
        if self._filled:
            texts = self._filled_down(texts)
        odd = texts["order"].is_null() | texts[TROUBLE].is_not_null() | texts[TORN]
        if odd.any():
            self._doubt_around(texts, odd)
        else:
            self._settle(texts["order"][0], texts["order"][-1])
        return texts

    def doubt_each(self, texts: pl.DataFrame) -> None:
        """The orders of these rows, in each of their versions."""
        for order, line in texts.select("order", "line").iter_rows():
            if order is not None:
                self._doubt(order, f"line {line}{self._file} may be of any version of the order")

    def _doubt(self, order: str, reason: str) -> None:
        self.doubts.setdefault(order, reason)

    def _settle(self, first: str, last: str) -> None:
        for reason in self._waiting:
            self._doubt(first, reason)
        self._waiting.clear()
        self._before = last

    def _with_readable_orders(self, texts: pl.DataFrame) -> pl.DataFrame:
        """A row that stands as its text has the order that can be
        read in it before its first quote.
        """
        orders = texts["order"].to_list()
        for at, (trouble, raw) in enumerate(texts.select(TROUBLE, RAW).iter_rows()):
            if trouble is not None and trouble != MORE_CELLS:
                cells = raw.split(self._delimiter)
                readable = len(cells) > self._place + 1 and not any(
                    map(_is_open, cells[: self._place + 1])
                )
                orders[at] = _plain(cells[self._place]) or None if readable else None
        return texts.with_columns(pl.Series("order", orders, dtype=pl.String))

    def _doubt_around(self, texts: pl.DataFrame, odd: pl.Series) -> None:
        columns = texts.select("line", "order", TROUBLE, TEXT, CUT, odd.alias("odd"))
        for line, order, trouble, text, is_cut, is_odd in columns.iter_rows():
            if not is_odd:
                self._settle(order, order)
                continue
            where = f"line {line}{self._file}"
            reason = (
                f"{where} {'names no order and may' if order is None else 'may'} be one of "
                "its lines"
            )
            has_moved = (
                trouble is not None
                and trouble.startswith((MORE_CELLS, IN_DOUBT))
                and self._place > 0
            )
            if trouble is not None and order is not None:
                self._doubt(order, f"{where} cannot be read")
            if has_moved:
                for cell in text.replace("\n", self._delimiter).split(self._delimiter)[
                    self._place :
                ]:
                    self._doubt(_plain(cell), reason)
            is_known = trouble is not None and order is not None and not has_moved
            if not is_known and self._before is not None:
                self._doubt(self._before, reason)
            is_two = (
                trouble == MORE_CELLS and text.count(self._delimiter) >= 2 * self._last
            )  # their line end is lost
            if is_two or (
                not is_known
                and (
                    (trouble is not None and not trouble.startswith(IN_DOUBT))
                    or (is_cut and trouble is None)
                )
            ):
                self._waiting.append(reason)

    def _filled_down(self, texts: pl.DataFrame) -> pl.DataFrame:
        ours = [name for name in self._filled if name in texts.columns]
        carried = 0 if self._above is None else 1
        if self._above is not None:
            texts = pl.concat([self._above, texts])
        gap = (pl.col("line") - (pl.col("line") + pl.col(LINES)).shift() > 1).fill_null(False)
        ends = pl.col("order").is_null() & (
            pl.col(TOTAL) | pl.col(TROUBLE).is_not_null() | pl.col(TORN) | gap
        )
        texts = texts.with_columns(ends.alias("ends"))
        if "order" in ours:
            mark = pl.when("ends").then(pl.lit("\0")).otherwise(pl.col("order")).forward_fill()
            texts = texts.with_columns(pl.when(mark != "\0").then(mark).alias("order"))
        run = (
            (pl.col("order").ne_missing(pl.col("order").shift()) | pl.col("ends"))
            .cum_sum()
            .alias("run")
        )
        texts = texts.with_columns(run)
        texts = texts.with_columns(
            pl.col(name).forward_fill().over("run") for name in ours if name != "order"
        ).drop("run", "ends")
        self._above = texts.tail(1)
        return texts.slice(carried)


def _plain(cell: str) -> str:
    return cell.strip().strip("\"'").strip()


def _is_open(cell: str) -> bool:
    """True for a cell in which a quote opens and does not end."""
    plain = cell.strip()
    return plain[:1] in ('"', "'") and (len(plain) == 1 or plain[-1] != plain[0])
