"""Short ways to say what an account bought, for the tables of cases."""

from datetime import date, timedelta

from shared.domain.history import Cells, Readings, Standing, add, pack, stand
from shared.domain.thresholds import DEFAULTS, DetectionSettings, checked

TODAY = date(2026, 3, 2)

Bought = tuple[int, int, str | None, str | None]  # days ago, cents, raw OD, raw grade


def settings(**patch: object) -> DetectionSettings:
    """The defaults with all three types switched on, and `patch` as the JSON of settings on top."""
    on = checked({"lapse": {"enabled": True}, "cherry_picking": {"enabled": True}}, DEFAULTS)
    return checked(patch, on)


def history(*bought: Bought) -> tuple[Cells, list[tuple[str | None, str | None]]]:
    """Cells, and the raw texts that they number; each purchase is an order of one line."""
    cells: Cells = {}
    texts: list[tuple[str | None, str | None]] = []
    for days_ago, cents, od, grade in bought:
        if (od, grade) not in texts:
            texts.append((od, grade))
        day = (TODAY - timedelta(days=days_ago)).toordinal()
        add(cells, texts.index((od, grade)), day, pack(cents, positive=cents > 0))
    return cells, texts


def standing(*bought: Bought, under: DetectionSettings, on: date = TODAY) -> Standing:
    """How an account that bought this stands today."""
    cells, texts = history(*bought)
    readings = Readings(under)
    readings.extend(texts)
    return stand(cells, readings, under, on=on.toordinal())
