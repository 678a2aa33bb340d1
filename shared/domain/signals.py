"""The life of a signal: what answers it, and why it ended (product.md 2 and 3)."""

from collections.abc import Iterable

from shared.domain.detection import SignalKey
from shared.domain.dormant import is_inside_gap
from shared.domain.history import Day, Readings, Standing
from shared.domain.thresholds import DetectionSettings
from shared.events import Resolution


def answers(
    key: SignalKey,
    *,
    opened_on: Day,
    counts_on: Day,
    positive_refs: Iterable[int],
    readings: Readings,
) -> bool:
    """True for an order of the signal's account with a positive line (B: of that combo; C: of
    standard goods), dated on or after the day that opened the episode. `positive_refs` are the
    order's raw combos that have a positive line.
    """
    if counts_on < opened_on:
        return False
    if key.type == "lapse":
        return any(readings.combos[ref] == key.combo for ref in positive_refs)
    if key.type == "cherry_picking":
        return any(not readings.specialty[ref] for ref in positive_refs)
    return any(True for _ in positive_refs)


def resolution_by_run(
    key: SignalKey,
    *,
    still_fires_under_last_settings: bool,
    is_read_otherwise: bool,
    standing: Standing,
    settings: DetectionSettings,
) -> Resolution:
    """Why a run no longer sees a signal: the first of settings, superseded (a lapse whose account
    went dormant), aged out.

    `is_read_otherwise`: the program that last saw it read sizes and grades otherwise. That program
    is gone and cannot be asked, so what rests on them is taken as closed by the reading.
    """
    if still_fires_under_last_settings:
        return "settings"
    if key.type == "lapse" and not is_inside_gap(standing, settings.dormant):
        return "superseded"
    return "settings" if is_read_otherwise and key.type != "dormant" else "aged_out"
