"""A · Fully dormant: the account stopped ordering altogether (product.md 2)."""

from collections.abc import Mapping
from datetime import date

from shared.domain.history import YEAR_DAYS, Day, Standing, net_between
from shared.domain.thresholds import Dormant
from shared.events import DormantFigures


def is_inside_gap(standing: Standing, thresholds: Dormant) -> bool:
    """Still active: the last activity lies inside A's gap. An account without any is not."""
    return standing.last > 0 and standing.on - standing.last < thresholds.gap_days


def is_dormant(standing: Standing, thresholds: Dormant) -> bool:
    """Last activity at least the gap ago, and lifetime revenue at least the minimum."""
    return (
        thresholds.enabled
        and standing.last > 0
        and standing.on - standing.last >= thresholds.gap_days
        and standing.lifetime_cents >= thresholds.minimum_lifetime_revenue_cents
    )


def figures(standing: Standing, cells: Mapping[int, Mapping[Day, int]]) -> DormantFigures:
    """What explains the signal; last year is the 365 days up to the last activity day."""
    return DormantFigures(
        days_inactive=standing.on - standing.last,
        last_ordered_on=date.fromordinal(standing.last),
        lifetime_revenue_cents=standing.lifetime_cents,
        last_year_revenue_cents=net_between(
            cells, after=standing.last - YEAR_DAYS, up_to=standing.last
        ),
    )
