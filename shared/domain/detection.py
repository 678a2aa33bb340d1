"""All three rules over one account: which signals fire, and what explains them (product.md 2)."""

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from shared.domain import cherry_picking, dormant, lapse
from shared.domain.history import Combo, Day, Standing
from shared.domain.thresholds import DetectionSettings
from shared.events import Figures, SignalType


class SignalKey(NamedTuple):
    """What a signal is about, inside its account: its type, and the combo of a lapse."""

    type: SignalType
    combo: Combo | None = None


DORMANT = SignalKey("dormant")
CHERRY_PICKING = SignalKey("cherry_picking")


def firing(standing: Standing, settings: DetectionSettings) -> set[SignalKey]:
    """The signals that fire on the standing's day."""
    keys: set[SignalKey] = set()
    if dormant.is_dormant(standing, settings.dormant):
        keys.add(DORMANT)
    for combo in lapse.lapsed_combos(standing, settings.lapse, settings.dormant):
        keys.add(SignalKey("lapse", combo))
    if cherry_picking.is_cherry_picking(
        standing.specialty_cents, standing.spend_cents, settings.cherry_picking
    ):
        keys.add(CHERRY_PICKING)
    return keys


def explained(
    standing: Standing,
    settings: DetectionSettings,
    cells: Mapping[int, Mapping[Day, int]],
    usual_share: Fraction,
) -> dict[SignalKey, Figures]:
    """The signals that fire on the standing's day, each with its figures, in a fixed order."""
    found: dict[SignalKey, Figures] = {}
    if dormant.is_dormant(standing, settings.dormant):
        found[DORMANT] = dormant.figures(standing, cells)
    lapsed = lapse.lapsed_combos(standing, settings.lapse, settings.dormant)
    for combo in sorted(lapsed, key=lambda combo: (combo.od or "", combo.grade or "")):
        found[SignalKey("lapse", combo)] = lapsed[combo]
    if cherry_picking.is_cherry_picking(
        standing.specialty_cents, standing.spend_cents, settings.cherry_picking
    ):
        found[CHERRY_PICKING] = cherry_picking.figures(standing, usual_share)
    return found
