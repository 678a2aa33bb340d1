"""A lively Monday, as the mocks have it: Three Forks Pipe, 23 November 2026. Builders with
keywords, each with a default.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.digest.facts import Facts, Feed, Organization, Purchase, Run
from services.digest.frame import Occasion
from shared.domain.cadence import Schedule
from shared.domain.digest import Account, ActiveSignal, Shown
from shared.events import CherryPickingFigures, Combo, DormantFigures, LapseFigures

MONDAY = date(2026, 11, 23)
EIGHT = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)  # 08:00 in Chicago
LONG_NAME = "Consolidated Trans-Pecos Wellsite Construction and Tubular Inspection Holdings"
ARABIC = "شركة الواحة لأنابيب البترول"

# name, owner, days inactive, lifetime and last year in thousands, what was bought, episode
DORMANT = (
    ("Caprock Energy Services", "dk", 127, 3180, 214.64, ("5 1/2 P110", "7 L80", "9 5/8 L80"), 1),
    ("Llano Drilling", "rs", 141, 1260, 142, ("9 5/8 L80", "13 3/8 K55"), 1),
    ("Mesquite Bend Operating", "dk", 98, 986, 96, ("5 1/2 J55", "8 5/8 J55"), 1),
    ("Sandhill Well Service", "mp", 203, 872, 84, ("2 7/8 L80", "2 3/8 J55"), 1),
    (LONG_NAME, "jt", 92, 656, 71, ("4 1/2 L80", "7 P110"), 1),
    ("Twin Buttes Production", "mp", 110, 540, 58, ("5 1/2 N80", "2 7/8 J55"), 2),
    ("Palo Verde Workover", "rs", 166, 313, 41, ("2 3/8 J55", "2 7/8 J55"), 1),
    ("Wolf Hollow Gas", "dk", 134, 268, 32, ("4 1/2 J55",), 1),
    ("Devil’s Fork Drilling", "ea", 189, 232, 27, ("9 5/8 J55", "5 S135"), 1),
    ("Lost Pines Energy", "jt", 105, 116, 17, ("2 7/8 L80",), 1),
    (ARABIC, "ea", 118, 108, 14.46, ("7 P110", "4 1/2 L80-13CR"), 1),
)
# name, owner, lifetime in thousands, combos (od, grade, days silent, lapsed revenue
# in thousands, episode)
LAPSE = (
    ("Redwater Completions", "rs", 2900, (("4.5", "P110", 109, 88, 1), ("5.5", "L80", 131, 59, 1))),
    (
        "Permian Supply",
        "dk",
        2410,
        (("9.625", "P110", 103, 92.17, 1), ("5.5", "J55", 94, 73, 1), ("2.875", "L80", 118, 58, 1)),
    ),
    ("North Draw Operating", "jt", 1900, (("7", "L80", 97, 81, 1),)),
    ("Black Oak Midstream", "rs", 1500, (("6.625", "X52", 95, 57, 1),)),
    ("Salt Fork Resources", "mp", 1200, (("9.625", "L80", 99, 54, 1),)),
    ("Horsehead Wellsite Rentals", "dk", 1100, (("3.5", "G105", 144, 53, 2),)),
    (
        "Ironwood Casing Crews",
        "ea",
        900,
        (("9.625", "K55", 125, 63, 1), ("13.375", "J55", 112, 51, 1)),
    ),
    ("Harbor Point Fabrication", "ea", 800, (("8.625", "X42", 137, 50, 1),)),
    ("Sweetwater Basin Oil", "mp", 700, (("5.5", "N80", 152, 51, 1),)),
    ("Tumbleweed Directional Drilling", "jt", 600, (("7", "N80", 107, 53, 1),)),
)
# name, owner, lifetime in thousands, specialty share in basis points, upside in thousands, days
# since the last order
CHERRY_PICKING = (
    ("Salt Fork Resources", "mp", 1200, 8400, 31, 20),
    ("Llano Drilling", "rs", 1260, 8600, 31, 141),
    ("Copper Mesa Pipeline", "ea", 520, 8700, 64, 17),
    ("Gulf Reach Marine Piling", "ea", 480, 8900, 39, 29),
    ("Tumbleweed Directional Drilling", "jt", 600, 8320, 26, 9),
)
NEW = {"Consolidated", "Permian Supply 5.5 J55", "Black Oak", "Gulf Reach"}


def dormant(
    account: str,
    *,
    lifetime: int = 20_000_000,
    last_year: int = 5_000_000,
    days: int = 100,
    episode: int = 1,
) -> ActiveSignal:
    """A signal of type A; money in cents."""
    figures = DormantFigures(
        days_inactive=days,
        last_ordered_on=MONDAY - timedelta(days=days),
        lifetime_revenue_cents=lifetime,
        last_year_revenue_cents=last_year,
    )
    return ActiveSignal(
        signal=f"A {account}",
        episode=episode,
        account=account,
        type="dormant",
        combo=None,
        lifetime_revenue_cents=lifetime,
        figures=figures,
    )


def lapse(
    account: str,
    od: str | None = "5.5",
    grade: str | None = "J55",
    *,
    lifetime: int = 20_000_000,
    lapsed: int = 5_000_000,
    days: int = 94,
    episode: int = 1,
) -> ActiveSignal:
    """A signal of type B."""
    figures = LapseFigures(
        days_silent=days,
        last_ordered_on=MONDAY - timedelta(days=days),
        lapsed_revenue_cents=lapsed,
        distinct_months=5,
    )
    return ActiveSignal(
        signal=f"B {account} {od} {grade}",
        episode=episode,
        account=account,
        type="lapse",
        combo=Combo(od=od, grade=grade),
        lifetime_revenue_cents=lifetime,
        figures=figures,
    )


def cherry_picking(
    account: str,
    *,
    lifetime: int = 20_000_000,
    upside: int = 3_000_000,
    bps: int = 8400,
    episode: int = 1,
) -> ActiveSignal:
    """A signal of type C."""
    figures = CherryPickingFigures(
        specialty_share_bps=bps,
        specialty_revenue_cents=8_400_000,
        total_revenue_cents=10_000_000,
        estimated_upside_cents=upside,
    )
    return ActiveSignal(
        signal=f"C {account}",
        episode=episode,
        account=account,
        type="cherry_picking",
        combo=None,
        lifetime_revenue_cents=lifetime,
        figures=figures,
    )


def monday_signals() -> tuple[ActiveSignal, ...]:
    """26 account rows over three sections, 23 accounts."""
    signals = [
        dormant(
            name, lifetime=k * 100_000, last_year=round(year * 100_000), days=days, episode=episode
        )
        for name, _, days, k, year, _, episode in DORMANT
    ]
    for name, _, k, combos in LAPSE:
        signals += [
            lapse(
                name,
                od,
                grade,
                lifetime=k * 100_000,
                lapsed=round(lapsed * 100_000),
                days=days,
                episode=episode,
            )
            for od, grade, days, lapsed, episode in combos
        ]
    signals += [
        cherry_picking(name, lifetime=k * 100_000, upside=round(upside * 100_000), bps=bps)
        for name, _, k, bps, upside, _ in CHERRY_PICKING
    ]
    return tuple(signals)


def monday_accounts() -> dict[str, Account]:
    """Their names and owners, and one that is pinned to Yes."""
    owners = {row[0]: row[1] for table in (DORMANT, LAPSE, CHERRY_PICKING) for row in table}
    named = {name: Account(account=name, name=name, owner=owner) for name, owner in owners.items()}
    return named | {
        "P-1": Account(account="P-1", name="Pecos Bend Petroleum", owner="dk", enrollment="yes")
    }


def monday_purchases() -> dict[str, Purchase]:
    """What they last bought."""
    bought = {
        name: Purchase(on=MONDAY - timedelta(days=days), labels=())
        for name, *_, days in CHERRY_PICKING
    }
    bought |= {
        name: Purchase(on=MONDAY - timedelta(days=days), labels=labels)
        for name, _, days, _, _, labels, _ in DORMANT
    }
    return bought | {"P-1": Purchase(on=MONDAY - timedelta(days=14), labels=())}


def week_before(signals: tuple[ActiveSignal, ...]) -> Shown:
    """The digest of 16 November: all but what is new or back."""
    known = {
        s.signal: s.episode
        for s in signals
        if s.episode == 1 and not any(new in s.signal for new in NEW | {"5.5 J55"})
    }
    return Shown(as_of=date(2026, 11, 16), recoverable_revenue_cents=174_636_000, signals=known)


def facts(**changes: Any) -> Facts:
    """Monday's, with changes."""
    run = Run(
        number=12,
        as_of=MONDAY,
        completed_at=EIGHT - timedelta(hours=3),
        accounts=1204,
        median_share="62/100",
    )
    signals = changes.get("signals", monday_signals())
    values: dict[str, Any] = {
        "organization": Organization(
            organization="three-forks",
            name="Three Forks Pipe",
            currency="USD",
            timezone="America/Chicago",
        ),
        "run": run,
        "last_run": run,
        "feed": feed(),
        "schedule": Schedule(
            frequency="weekly",
            hour=8,
            anchor_on=date(2026, 5, 4),
            timezone="America/Chicago",
            since=datetime(2026, 5, 4, tzinfo=UTC),
        ),
        "previous": week_before(signals),
        "signals": signals,
        "accounts": monday_accounts(),
    }
    return Facts(**values | changes)


def feed(*, age: timedelta = timedelta(minutes=2), received: int = 318) -> Feed:
    """The pulse."""
    return Feed(
        received=received,
        since=EIGHT - timedelta(days=7),
        newest_accepted_at=EIGHT - age,
        newest_ordered_on=(EIGHT - age).date(),
    )


def occasion(**changes: Any) -> Occasion:
    """The scheduled digest."""
    drafts = {"dormant": "d-a", "lapse": "d-b", "cherry_picking": "d-c"}
    values: dict[str, Any] = {
        "at": EIGHT,
        "next_at": EIGHT + timedelta(days=7),
        "stale_after": timedelta(hours=36),
        "drafts": drafts,
    }
    return Occasion(**values | changes)
