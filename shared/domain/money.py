"""How money is read: decimal text to whole minor units of an ISO 4217 currency
(product.md 1, *Money*).
"""

import re
from dataclasses import dataclass

LARGEST_CENTS = 10**13  # of one line, either sign
LARGEST_ORDER_CENTS = 10**15  # of an order: the sum of its lines
# Of a sum over orders. Figures, columns of PostgreSQL and of Polars have 64 bits, which two such
# sums still fit into. `saturated` of shared/migrations says the same in SQL.
LARGEST_SUM_CENTS = 2**62 - 1
MOST_PLACES = 6
LONGEST = 32  # characters

_DECIMAL = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?")

_PLACES = {  # ISO 4217; every other currency has two
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"), 0),
    **dict.fromkeys(("UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


class NotMoney(ValueError):
    """The text is no amount of money; the message says why, in words for the sender."""


@dataclass(frozen=True, slots=True)
class Amount:
    """`cents` are minor units of the currency; `lost` says that rounding took something away."""

    cents: int
    lost: bool


def minor_places(currency: str) -> int:
    """Decimal places of the minor unit of an ISO 4217 currency: 2 for USD, 0 for JPY, 3 for KWD."""
    return _PLACES.get(currency, 2)


def saturated(cents: int) -> int:
    """A sum over orders as it is kept: one beyond the largest stays there, and never overflows.
    Sums are saturated once, when they are whole, so that what is taken away again leaves no trace.
    """
    return max(-LARGEST_SUM_CENTS, min(cents, LARGEST_SUM_CENTS))


def wrong_order_total(cents: int) -> str | None:
    """Why an order whose lines have this sum is refused."""
    if abs(cents) <= LARGEST_ORDER_CENTS:
        return None
    return f"have a sum beyond {LARGEST_ORDER_CENTS} minor units"


def read_money(text: str, places: int, *, most: int = LARGEST_CENTS) -> Amount:
    """Plain decimal text, up to six places, half up (away from zero) to `places`; at most `most`
    minor units. Raises NotMoney.

    The tail of a binary float, 123.45000000000002, is rounded to six places first: no more than
    1e-9 is lost. No exponents, no NaN or Infinity, no thousands separators, ASCII digits only.
    """
    if len(text) > LONGEST:
        raise NotMoney(f"is longer than {LONGEST} characters")
    found = _DECIMAL.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        raise NotMoney("must be a decimal number such as 1234.50")
    whole, fraction = found[2] or "0", (found[3] or "").rstrip("0")
    has_tail = len(fraction) > MOST_PLACES
    if has_tail:
        whole, fraction = _without_tail(whole, fraction)
    cents = int(whole + fraction[:places].ljust(places, "0"))
    rest = fraction[places:]
    if rest >= "5":
        cents += 1
    if cents > most:
        raise NotMoney(f"is beyond {most} minor units")
    return Amount(-cents if found[1] == "-" else cents, bool(rest) or has_tail)


def _without_tail(whole: str, fraction: str) -> tuple[str, str]:
    """Digits before and behind the point, at most six of them. Raises NotMoney."""
    tail = fraction[MOST_PLACES:]
    millionths = int(whole + fraction[:MOST_PLACES])
    if tail.startswith("999"):
        millionths += 1
    elif not tail.startswith("000") and tail != "001":
        raise NotMoney(f"has more than {MOST_PLACES} decimal places")
    digits = str(millionths).rjust(MOST_PLACES + 1, "0")
    return digits[:-MOST_PLACES], digits[-MOST_PLACES:].rstrip("0")


def read_cents(text: str) -> int:
    """Whole minor units as text. Raises NotMoney."""
    amount = read_money(text, 0)
    if amount.lost:
        raise NotMoney("must be a whole number of minor units")
    return amount.cents


def plain_decimal(text: str) -> str | None:
    """A decimal in its one canonical form ("12", "-0.5"): equal numbers are equal texts. None where
    it is no plain decimal.
    """
    found = _DECIMAL.fullmatch(text) if len(text) <= LONGEST else None
    if found is None or not (found[2] or found[3]):
        return None
    whole, fraction = found[2].lstrip("0") or "0", (found[3] or "").rstrip("0")
    plain = f"{whole}.{fraction}" if fraction else whole
    return f"-{plain}" if found[1] == "-" and plain != "0" else plain
