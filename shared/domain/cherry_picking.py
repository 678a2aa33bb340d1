"""C · Cherry-picking: the account buys only what is hard to find (product.md 2, the estimate: 5).

All shares are exact: a share is the pair (specialty, spend) in cents until the last rounding.
"""

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

from shared.domain.history import Standing
from shared.domain.money import saturated
from shared.domain.sizes import read_number
from shared.domain.thresholds import CherryPicking
from shared.events import CherryPickingFigures

LEAST_PEERS = 10  # below so many accounts to compare with, the most careful share is taken
LEAST_SHARE = Fraction(20, 100)
MOST_SHARE = Fraction(80, 100)
WHOLE_BPS = 10_000

# Two shares with spends below 2**62 cents that differ at all differ by more than 2**-124: this many
# bits keep their order.
ORDER_BITS = 128


def reaches_floor(spend_cents: int, thresholds: CherryPicking) -> bool:
    """Spend at or above the floor, and above nothing: without spend there is no share."""
    return spend_cents >= thresholds.minimum_revenue_cents and spend_cents > 0


def is_cherry_picking(specialty_cents: int, spend_cents: int, thresholds: CherryPicking) -> bool:
    """The share of specialty is strictly above the threshold, at or above the floor of spend."""
    if not thresholds.enabled or not reaches_floor(spend_cents, thresholds):
        return False
    share = _share(thresholds.share_percent)
    if share is None:
        return False
    numerator, denominator = share
    return specialty_cents * 100 * denominator > numerator * spend_cents


def usual_share(peers: Iterable[tuple[int, int]]) -> Fraction:
    """m: the median share of `peers`, (specialty, spend) of accounts at the floor that do not carry
    C; clamped to 20-80 %.
    """
    ranked = sorted(peers, key=lambda peer: (peer[0] << ORDER_BITS) // peer[1])
    if len(ranked) < LEAST_PEERS:
        return MOST_SHARE
    middle = len(ranked) // 2
    median = Fraction(*ranked[middle])
    if len(ranked) % 2 == 0:
        median = (median + Fraction(*ranked[middle - 1])) / 2
    return min(max(median, LEAST_SHARE), MOST_SHARE)


def estimated_upside_cents(specialty_cents: int, spend_cents: int, usual: Fraction) -> int:
    """max(0, specialty x (1 - m) / m - standard), half up to the minor unit: standard goods that
    others buy beside as much.
    """
    standard = spend_cents - specialty_cents
    upside = specialty_cents * (1 - usual) / usual - standard
    return saturated(half_up(upside)) if upside > 0 else 0


def figures(standing: Standing, usual: Fraction) -> CherryPickingFigures:
    """What explains the signal; a net share past 100 % is shown as 100 %."""
    share_bps = half_up(Fraction(standing.specialty_cents * WHOLE_BPS, standing.spend_cents))
    return CherryPickingFigures(
        specialty_share_bps=min(share_bps, WHOLE_BPS),
        specialty_revenue_cents=standing.specialty_cents,
        total_revenue_cents=standing.spend_cents,
        estimated_upside_cents=estimated_upside_cents(
            standing.specialty_cents, standing.spend_cents, usual
        ),
    )


@lru_cache(maxsize=256)
def _share(percent: str) -> tuple[int, int] | None:
    """The threshold as a ratio of whole numbers; None for what is no number."""
    number = read_number(percent)
    return None if number is None else number.as_integer_ratio()


def half_up(number: Fraction) -> int:
    """The nearest whole number, halves away from zero, of a number that is not negative."""
    return (2 * number.numerator + number.denominator) // (2 * number.denominator)
