"""An account as letters need it: its signals, its contact, what it bought; read through the views
published for it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from shared import db
from shared.domain.drafts import Addressee, Lapsed, Purchase
from shared.domain.enrollment import Enrollment
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings
from shared.events import SignalType

LINES_AT_ONCE = 5_000  # bounds the memory of reading histories
AT_STAKE: dict[SignalType, str] = {  # of its figures; what leaves first
    "dormant": "last_year_revenue_cents",
    "lapse": "lapsed_revenue_cents",
    "cherry_picking": "estimated_upside_cents",
}

PURCHASES = """
SELECT
    o.account,
    o.order_id,
    o.counts_on,
    line.product,
    line.od,
    line.grade,
    line.quantity,
    line.revenue_cents
FROM published_orders o
CROSS JOIN LATERAL unnest(o.products, o.ods, o.grades, o.quantities, o.revenues_cents)
    AS line (product, od, grade, quantity, revenue_cents)
WHERE o.organization = %(organization)s
  AND o.account = ANY(%(accounts)s)
  AND o.counts_on <= %(as_of)s
  AND NOT o.cancelled
  AND line.revenue_cents > 0
ORDER BY o.account
"""


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """What letters are written from: the organization, its day, and the run that they follow."""

    organization: str
    organization_name: str
    on: date
    as_of: date
    settings: DetectionSettings


@dataclass(frozen=True, kw_only=True)
class Named:
    """A signal that letters are about, in the episode in which it was seen."""

    signal: str
    episode: int


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An account with active signals of one type, and whom a letter would go to."""

    signal_type: SignalType
    account: str
    name: str | None
    owner: str | None
    enrollment: Enrollment
    paused_until: datetime | None
    lost_at: datetime | None
    contact_name: str | None
    addressee: Addressee
    named: tuple[Named, ...]
    value_cents: int
    lapsed: tuple[Lapsed, ...]
    specialty_share_bps: int
    zone: str | None = None
    country: str | None = None


def candidate_of(row: dict[str, Any]) -> Candidate:
    """A row of type, account, its facts, and `signals` as JSON, which may be none."""
    signals = row["signals"] or []
    return Candidate(
        signal_type=row["type"],
        account=row["account"],
        name=row["name"],
        owner=row["owner"],
        enrollment=row["enrollment"],
        paused_until=row["paused_until"],
        lost_at=row["lost_at"],
        contact_name=row["contact_name"],
        addressee=Addressee(
            contact=row["contact"],
            email=row["email"],
            suppressed=row["suppressed"],
            account_in_sequence=row["account_in_sequence"],
            contact_in_sequence=row["contact_in_sequence"],
        ),
        named=tuple(Named(signal=s["signal"], episode=s["episode"]) for s in signals),
        value_cents=sum(s["figures"].get(AT_STAKE[row["type"]], 0) for s in signals),
        lapsed=tuple(
            Lapsed(
                signal=s["signal"],
                od=s["od"],
                grade=s["grade"],
                lapsed_revenue_cents=s["figures"]["lapsed_revenue_cents"],
            )
            for s in signals
            if row["type"] == "lapse"
        ),
        zone=row.get("zone"),
        country=row.get("country"),
        specialty_share_bps=signals[0]["figures"].get("specialty_share_bps", 0) if signals else 0,
    )


def purchases(
    connection: db.Connection, grounds: Grounds, accounts: Iterable[str]
) -> Iterator[tuple[str, list[Purchase]]]:
    """(account, its lines of positive revenue up to the run's day), read under the run's
    size table and aliases.

    One account in memory at a time; an account without any is left out.
    """
    sizes, grades = (
        TaughtSizes(grounds.settings.sizes),
        TaughtGrades(grounds.settings.grade_aliases),
    )
    read: dict[tuple[str | None, str | None], tuple[str | None, str | None]] = {}

    def purchase(row: tuple[Any, ...]) -> Purchase:
        _, order, ordered_on, product, od, grade, quantity, revenue_cents = row
        if (od, grade) not in read:
            read[od, grade] = (read_od(od, sizes).value, read_grade(grade, grades))
        od, grade = read[od, grade]
        return Purchase(
            order=order,
            ordered_on=ordered_on,
            product=product,
            od=od,
            grade=grade,
            quantity=quantity,
            revenue_cents=revenue_cents,
        )

    asked = {
        "organization": grounds.organization,
        "as_of": grounds.as_of,
        "accounts": sorted(set(accounts)),
    }
    with connection.cursor(name="purchases") as rows:
        rows.itersize = LINES_AT_ONCE
        rows.execute(PURCHASES, asked)
        for account, lines in groupby(rows, key=lambda row: str(row[0])):
            yield account, [purchase(line) for line in lines]
