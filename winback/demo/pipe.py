"""Three Forks Pipe, an invented distributor of pipe with planted stories. The same on every
machine, relative to today.

Sizes and grades are real (API 5CT casing and tubing, API 5L line pipe), written in the many ways in
which ERPs write them.
"""

import csv
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

SEED = 20261123
HISTORY_DAYS = 730

SPELLINGS = {  # what is on the invoices for one and the same size
    "2 3/8": ("2 3/8", '2-3/8"', "2.375", "60.3 mm"),
    "2 7/8": ("2 7/8", '2-7/8"', "2.875", "73.0 mm"),
    "3 1/2": ("3 1/2", "3½ in", "3.5", "88.9 mm"),
    "4 1/2": ("4 1/2", '4-1/2"', "4.500", "114.3 mm"),
    "5 1/2": ("5 1/2", '5-1/2"', "5½", "139.7 mm"),
    "6 5/8": ("6 5/8", "NPS 6", "6.625", "168.3 mm"),
    "7": ("7", '7"', "7.000", "177.8 mm"),
    "8 5/8": ("8 5/8", "NPS 8", "8.625", "219.1 mm"),
    "9 5/8": ("9 5/8", '9-5/8"', "9.625", "244.5 mm"),
    "13 3/8": ("13 3/8", '13-3/8"', "13.375", "339.7 mm"),
}
GRADES = {
    "J55": ("J55", "J-55", "J 55"),
    "K55": ("K55", "K-55"),
    "N80": ("N80", "N-80"),
    "L80": ("L80", "L-80"),
    "L80 13Cr": ("L80 13Cr", "L-80 13CR"),
    "P110": ("P110", "P-110"),
    "B": ("Gr. B", "GR-B", "B"),
    "X42": ("X42", "X-42"),
    "X52": ("X52", "X-52"),
}


@dataclass(frozen=True, kw_only=True)
class Buys:
    """One programme of an account: `feet` of a size and grade every `every` days, between two days
    counted back from today.
    """

    od: str
    grade: str
    every: int
    feet: int
    dollars: Decimal
    since: int = HISTORY_DAYS
    until: int = 0


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account and its primary contact; no email where the contact has none, no contact where
    `contact` is None.
    """

    account: str
    name: str
    owner: str
    email: str | None
    buys: tuple[Buys, ...]
    contact: str | None = "Purchasing"


def b(
    od: str,
    grade: str,
    every: int,
    feet: int,
    dollars: str,
    *,
    since: int = HISTORY_DAYS,
    until: int = 0,
) -> Buys:
    """Short, for the table below."""
    return Buys(
        od=od,
        grade=grade,
        every=every,
        feet=feet,
        dollars=Decimal(dollars),
        since=since,
        until=until,
    )


COMES_BACK = "10131"  # dormant, and orders again while you watch
REORDERS = "10117"  # a lapsed combo that is ordered again while you watch

STORIES: tuple[tuple[str, str, str, tuple[Buys, ...]], ...] = (
    # fully dormant
    (
        "10104",
        "Caprock Energy Services",
        "dk",
        (
            b("5 1/2", "P110", 22, 900, "31.50", until=127),
            b("7", "L80", 45, 700, "38.20", until=127),
        ),
    ),
    (
        COMES_BACK,
        "Mesquite Bend Operating",
        "dk",
        (
            b("5 1/2", "J55", 19, 800, "24.10", until=98),
            b("8 5/8", "J55", 60, 500, "36.40", until=98),
        ),
    ),
    ("10142", "Sandhill Well Service", "mp", (b("2 7/8", "L80", 41, 2200, "9.80", until=203),)),
    ("10155", "شركة الواحة لأنابيب البترول", "ea", (b("7", "P110", 30, 260, "41.00", until=118),)),
    (
        "10163",
        "Consolidated Trans-Pecos Wellsite Construction and Tubular Inspection Holdings",
        "jt",
        (b("4 1/2", "L80", 29, 640, "19.40", until=92),),
    ),
    # went dormant, came back and went again
    (
        "10166",
        "Twin Buttes Production",
        "mp",
        (
            b("5 1/2", "N80", 27, 700, "26.30", since=730, until=300),
            b("2 7/8", "J55", 20, 500, "8.10", since=170, until=95),
        ),
    ),
    # product lapse inside a live account
    (
        "10482",
        "Permian Supply",
        "dk",
        (
            b("5 1/2", "J55", 58, 620, "24.00", until=94),
            b("9 5/8", "P110", 55, 520, "55.10", until=103),
            b("2 7/8", "L80", 62, 2100, "9.30", until=118),
            b("4 1/2", "P110", 9, 900, "22.20", until=12),
            b("4 1/2", "L80", 21, 640, "19.90"),
        ),
    ),
    (
        REORDERS,
        "Redwater Completions",
        "rs",
        (
            b("4 1/2", "P110", 40, 1100, "22.80", until=109),
            b("5 1/2", "L80", 50, 640, "27.60", until=131),
            b("5 1/2", "N80", 7, 800, "26.20", until=6),
        ),
    ),
    (
        "10204",
        "North Draw Operating",
        "jt",
        (b("7", "L80", 33, 420, "37.10", until=97), b("5 1/2", "N80", 5, 700, "26.00", until=3)),
    ),
    (
        "10233",
        "Horsehead Wellsite Rentals",
        "dk",
        (
            b("3 1/2", "L80", 45, 600, "14.70", until=144),
            b("2 3/8", "J55", 12, 900, "6.40", until=18),
        ),
    ),
    (
        "10241",
        "Ironwood Casing Crews",
        "ea",
        (
            b("9 5/8", "K55", 50, 300, "44.10", until=125),
            b("13 3/8", "J55", 60, 190, "57.30", until=112),
            b("5 1/2", "J55", 14, 800, "24.30", until=31),
        ),
    ),
    # cherry-picking
    (
        "10318",
        "Gulf Reach Marine Piling",
        "ea",
        (
            b("13 3/8", "K55", 33, 260, "63.00", until=29),
            b("5 1/2", "J55", 120, 160, "24.00", until=70),
        ),
    ),
    (
        "10322",
        "Copper Mesa Pipeline",
        "ea",
        (
            b("8 5/8", "X52", 21, 480, "34.20", until=17),
            b("6 5/8", "X52", 35, 300, "21.80", until=40),
            b("4 1/2", "J55", 90, 210, "15.20", until=60),
        ),
    ),
    (
        "10329",
        "Salt Fork Resources",
        "mp",
        (
            b("9 5/8", "L80", 45, 330, "52.00", until=99),
            b("7", "L80 13Cr", 16, 260, "96.00", until=23),
            b("2 7/8", "J55", 60, 300, "8.00", until=48),
        ),
    ),
)

FIRST = (
    "Quartz",
    "Sabine",
    "Fort Union",
    "Stonewall",
    "Muleshoe",
    "Ridgeline",
    "Bitter Lake",
    "Nine Mile",
    "Blackland",
    "Green River",
)
SECOND = ("Refining", "Gathering", "Tubing", "Exploration", "Compression", "Midstream")
OWNERS = ("dk", "rs", "mp", "jt", "ea")
STANDARD = (
    ("2 3/8", "J55", "6.40"),
    ("2 7/8", "L80", "9.60"),
    ("4 1/2", "N80", "18.90"),
    ("5 1/2", "J55", "24.20"),
    ("5 1/2", "P110", "31.00"),
)
SPECIALTY = (
    ("6 5/8", "B", "19.70"),
    ("7", "L80", "37.80"),
    ("8 5/8", "X42", "31.40"),
    ("9 5/8", "L80", "52.30"),
    ("13 3/8", "K55", "61.10"),
)


def accounts() -> list[Account]:
    """All accounts: the stories, then healthy ones that make the crowd."""
    rnd = random.Random(SEED)
    found = [
        Account(
            account=id_,
            name=name,
            owner=owner,
            buys=buys,
            email=None if id_ == "10233" else f"purchasing@{id_}.example",
        )
        for id_, name, owner, buys in STORIES
    ]
    for i in range(len(FIRST) * len(SECOND)):
        id_, name = str(20100 + i * 7), f"{FIRST[i % len(FIRST)]} {SECOND[i // len(FIRST)]}"
        found.append(
            Account(
                account=id_,
                name=name,
                owner=rnd.choice(OWNERS),
                buys=tuple(healthy(rnd)),
                email=f"buyer@{id_}.example",
            )
        )
    return found


def healthy(rnd: random.Random) -> Iterator[Buys]:
    """Standard goods, and mostly some specialty beside them: what a year's revenue
    buys at a steady pace.
    """
    year = rnd.uniform(60_000, 420_000)
    share = rnd.uniform(0.35, 0.72) if rnd.random() < 0.8 else 0.0
    for goods, part in ((STANDARD, 1 - share), (SPECIALTY, share)):
        od, grade, dollars = rnd.choice(goods)
        every = rnd.randint(6, 32)
        if part:
            feet = max(20, round(year * part * every / 365 / float(dollars)))
            yield b(od, grade, every, feet, dollars, until=rnd.randint(0, every))


def order_rows(today: date) -> list[dict[str, str]]:
    """The history as order lines, by day."""
    rnd = random.Random(SEED)
    by_order: dict[tuple[date, str], list[dict[str, str]]] = {}
    for one in accounts():
        for buys in one.buys:
            for day in days_of(buys, today, rnd):
                by_order.setdefault((day, one.account), []).append(line(one, buys, rnd))
    rows: list[dict[str, str]] = []
    number = 40_000
    for (day, _), lines in sorted(by_order.items(), key=lambda item: item[0]):
        number += 1
        for row in lines:
            rows.append({"order": f"SO-{number}", "ordered_on": day.isoformat()} | row)
        if rnd.random() < 0.02:  # a credit some days later, an order of its own
            number += 1
            credit = lines[0] | {"quantity": "", "revenue": f"-{rnd.randint(20, 300)}.00"}
            credited_on = min(day + timedelta(days=6), today)
            rows.append({"order": f"CR-{number}", "ordered_on": credited_on.isoformat()} | credit)
    return rows


def days_of(buys: Buys, today: date, rnd: random.Random) -> Iterator[date]:
    """Every so many days with some jitter, the last one exactly `until` days ago."""
    ago = buys.until
    while ago <= buys.since:
        yield today - timedelta(days=ago)
        ago += max(1, round(buys.every * rnd.uniform(0.8, 1.25)))


def line(one: Account, buys: Buys, rnd: random.Random) -> dict[str, str]:
    """One order line, its size and grade spelled as it comes."""
    feet = round(buys.feet * rnd.uniform(0.85, 1.2))
    return {
        "account": one.account,
        "account_name": one.name,
        "owner": one.owner,
        "product": f"{buys.od} {buys.grade} R3",
        "od": rnd.choice(SPELLINGS[buys.od]),
        "grade": rnd.choice(GRADES[buys.grade]),
        "quantity": str(feet),
        "revenue": f"{(feet * buys.dollars).quantize(Decimal('0.01'))}",
    }


def live_orders(
    today: date, count: int, closing: Sequence[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """What arrives while you watch, as POST /v1/orders takes it: everyday orders, and spread among
    them one that closes each signal of `closing` (rows of `winback signals --json`), with that
    signal beside it.
    """
    rnd = random.Random(SEED + 1)
    by_id = {one.account: one for one in accounts()}
    everyday = [one for one in by_id.values() if one.account.startswith("2")]
    places = {
        count * place // (len(closing) + 1): signal for place, signal in enumerate(closing, 1)
    }
    for i in range(count):
        signal = places.get(i)
        one = rnd.choice(everyday) if signal is None else by_id[signal["account"]]
        row = line(one, one.buys[0], rnd)
        if signal is not None and "combo" in signal:
            od, grade = signal["combo"]["od"], signal["combo"]["grade"]
            row |= {"product": f"{od} {grade} R3", "od": od, "grade": grade}
        lines = [{name: row[name] for name in ("product", "od", "grade", "quantity", "revenue")}]
        yield (
            {
                "order": f"SO-{90_000 + i}",
                "account": one.account,
                "ordered_on": today.isoformat(),
                "lines": lines,
            },
            signal,
        )


def write_csv(path: Path, rows: Iterable[dict[str, str]]) -> int:
    """Rows of one shape into a file. Returns how many."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer: csv.DictWriter[str] | None = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow(row)
            count += 1
    return count


def phone_of(account: str) -> str:
    """A number that nobody has (the North American plan keeps 555-01xx for inventions); one account
    in nine has none that anybody knows.
    """
    number = int(account)
    if number % 9 == 0:
        return ""
    return f"{(432, 806, 580, 325, 337)[number % 5]}-555-01{number % 100:02}"


def contact_rows() -> Iterator[dict[str, str]]:
    """A primary contact an account, one of them without an address, so that a draft can say whom it
    skipped; where there is an address, a second contact, so that one can choose.
    """
    for one in accounts():
        if one.contact is not None:
            yield {
                "contact": f"C-{one.account}",
                "account": one.account,
                "email": one.email or "",
                "name": one.contact,
                "primary": "true",
                "phone": phone_of(one.account),
                "title": "",
                "zone": "America/Chicago",
            }
        if one.contact is not None and one.email is not None:
            yield {
                "contact": f"C-{one.account}-2",
                "account": one.account,
                "email": "operations@" + one.email.partition("@")[2],
                "name": "Operations",
                "primary": "false",
                "phone": "",
                "title": "Yard manager",
                "zone": "",
            }
