"""Real orders: some accounts of the Online Retail data (demo/README.md), as versions of orders and
as a file to import.

Days, accounts, invoices, credit notes, quantities and prices are real. A wholesaler of gift-ware
has no pipes, so each stock code is given a size and a grade, written in one of the ways in which
people write them.
"""

import csv
import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zlib import crc32

from shared.events import Line, Order
from tests.oracle.histories import version

RETAIL = Path(__file__).parents[2] / "demo" / "online-retail.csv.gz"
EVERY = 73  # accounts whose number is a multiple of this
LARGE_ACCOUNT = "12748"  # 4,642 lines in 224 invoices
COLUMNS = (
    "order",
    "account",
    "ordered_on",
    "revision",
    "status",
    "product",
    "od",
    "grade",
    "quantity",
    "revenue",
)

ODS = (
    "5 1/2",
    "5.500",
    '5-1/2"',
    "139.7 mm",
    "5½ in",
    "168.3 mm",
    "NPS 6",
    "244.5 mm",
    "9 5/8",
    '7"',
    "2 3/8",
    "60.3 mm",
    "6 SCH 40",
    None,
)
GRADES = ("J-55", "j 55", "J55", "Gr. B", "L80 13Cr", None)


@dataclass(kw_only=True)
class Row:
    """One row of the file; `revenue` as it is written, with more places than money has."""

    product: str
    od: str | None
    grade: str | None
    quantity: str
    revenue: Decimal

    @property
    def line(self) -> Line:
        cents = (self.revenue * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP)
        return Line(
            product=self.product,
            od=self.od,
            grade=self.grade,
            quantity=self.quantity,
            revenue_cents=int(cents),
        )


@dataclass(kw_only=True)
class Invoice:
    """One version of one order."""

    order: str
    account: str
    ordered_on: date
    revision: int = 1
    cancelled: bool = False
    rows: list[Row] = field(default_factory=list)

    def accepted(self, organization: str) -> Order:
        """As ingest should take it."""
        return version(
            organization=organization,
            order=self.order,
            account=self.account,
            ordered_on=self.ordered_on,
            revision=self.revision,
            cancelled=self.cancelled,
            lines=[row.line for row in self.rows],
        )


def invoices() -> list[Invoice]:
    """By day, as they were written."""
    found: dict[str, Invoice] = {}
    with gzip.open(RETAIL, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            account = row["CustomerID"].removesuffix(".0")
            if not account or (int(account) % EVERY and account != LARGE_ACCOUNT):
                continue
            day = date.fromisoformat(row["InvoiceDate"][:10])
            invoice = found.setdefault(
                row["InvoiceNo"], Invoice(order=row["InvoiceNo"], account=account, ordered_on=day)
            )
            revenue = Decimal(row["Quantity"]) * Decimal(row["UnitPrice"])
            od, grade = catalogued(row["StockCode"])
            invoice.rows.append(
                Row(
                    product=row["StockCode"],
                    od=od,
                    grade=grade,
                    quantity=row["Quantity"],
                    revenue=revenue,
                )
            )
    return sorted(found.values(), key=lambda invoice: (invoice.ordered_on, invoice.order))


def catalogued(code: str) -> tuple[str | None, str | None]:
    """The size and grade that a stock code is given; postage, discounts and the like have none."""
    if not code[0].isdigit():
        return None, None
    number = crc32(code.upper().encode())
    return ODS[number % len(ODS)], GRADES[number // 1000 % len(GRADES)]


def write(path: Path, versions: Iterable[Invoice]) -> Sequence[Invoice]:
    """A file with one row a line. Returns what it holds, in its order."""
    written = list(versions)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for invoice in written:
            for row in invoice.rows:
                writer.writerow(
                    [
                        invoice.order,
                        invoice.account,
                        invoice.ordered_on,
                        invoice.revision,
                        "cancelled" if invoice.cancelled else "open",
                        row.product,
                        row.od,
                        row.grade,
                        row.quantity,
                        row.revenue,
                    ]
                )
    return written
