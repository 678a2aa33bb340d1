"""The real orders: Online Retail (UCI), as our columns, shifted by whole weeks so
that they end near today.
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

LAST_DAY = date(2011, 12, 9)
SOURCE = (
    "Chen, D. (2015), Online Retail, UCI Machine Learning Repository, "
    "DOI 10.24432/C5BW33, CC BY 4.0"
)
PUBLISHED = Path(__file__).parents[2] / "demo" / "online-retail.csv.gz"


def shift_days(today: date) -> int:
    """Whole weeks: weekdays stay what they were."""
    return (today - LAST_DAY).days // 7 * 7


def named_lines() -> tuple["pl.DataFrame", int]:
    """Our columns from the published ones, and how many lines stay out because
    they name no customer.
    """
    import polars as pl

    published = pl.scan_csv(PUBLISHED, infer_schema=False)
    revenue = pl.col("Quantity").cast(pl.Int64) * pl.col("UnitPrice").cast(pl.Decimal(18, 6))
    everything = published.select(
        order="InvoiceNo",
        account=pl.col("CustomerID").str.replace(r"\.0$", ""),
        ordered_on=pl.col("InvoiceDate").str.slice(0, 10),
        product=pl.col("StockCode").str.strip_chars(),
        quantity="Quantity",
        revenue=revenue.cast(pl.Decimal(18, 6)).cast(pl.String),
    ).collect()
    named = everything.filter(pl.col("account").is_not_null() & (pl.col("account") != ""))
    return named, everything.height - named.height
