"""B · Product lapse: an active account no longer buys a combo that it bought
steadily (product.md 2).
"""

from datetime import date

from shared.domain.dormant import is_inside_gap
from shared.domain.history import Combo, Standing
from shared.domain.thresholds import Dormant, Lapse
from shared.events import LapseFigures


def lapsed_combos(standing: Standing, thresholds: Lapse, gap: Dormant) -> dict[Combo, LapseFigures]:
    """The combos that are silent for the lapse window though the account is
    not, with their figures.

    Inside the history window the combo earned the minimum, net, and was active in the minimum of
    calendar months. A's gap decides whether the account is active, also when A is switched off.
    """
    if not thresholds.enabled or not is_inside_gap(standing, gap):
        return {}
    return {
        combo: LapseFigures(
            days_silent=standing.on - one.last,
            last_ordered_on=date.fromordinal(one.last),
            lapsed_revenue_cents=one.revenue_cents,
            distinct_months=len(one.months),
        )
        for combo, one in standing.combos.items()
        if one.last > 0
        and standing.on - one.last >= thresholds.lapse_days
        and one.revenue_cents >= thresholds.minimum_revenue_cents
        and len(one.months) >= thresholds.minimum_months
    }
