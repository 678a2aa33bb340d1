"""Pages of the accounts table, however they are found, against plain Python over all accounts."""

import itertools
import random
from datetime import UTC, date, datetime
from typing import Any, get_args

import pytest

from services.signals.store import account_filter, account_paging, accounts
from services.signals.store.account_filter import Filter, Only
from services.signals.store.account_paging import Place, Sort
from services.signals.store.accounts import ListedRow
from shared import db
from shared.domain.enrollment import Enrollment

NOW = datetime(2026, 3, 3, tzinfo=UTC)
WORDS = ("Permian", "permiano", "Pipe", "Supply", "Öl", "7", "O’Brien", "上海钢管")
PLAIN = str.maketrans({"ö": "o", "’": None})
ONLIES: tuple[Only | None, ...] = (None, "dormant", "call")
PINS: tuple[Enrollment | None, ...] = (None, "auto", "no")
SEARCHES: tuple[tuple[str, ...], ...] = (
    *((), ("perm",), ("supply", "P"), ("öl",), ("OL",), ("a", "1")),
    *(("o'brien",), ("obr", "钢管"), ("海钢",)),
)
FILTERS = [
    Filter(only=only, owner=owner, enrollment=enrollment, words=words)
    for only, owner, enrollment, words in itertools.product(ONLIES, (None, "dk"), PINS, SEARCHES)
]
TRIED = 60  # of all filters by all sorts, each way


@pytest.fixture
def crowd(connection: db.Connection, tenant: str) -> str:
    """300 accounts: many share a value of each sort."""
    made = random.Random(7)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO accounts (organization, account, name, owner, enrollment, "
            "last_ordered_on, lifetime_cents, at_stake_cents, dormant, lapse) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    tenant,
                    f"A-{number}",
                    " ".join(made.choices(WORDS, k=made.randrange(3))) or None,
                    made.choice(("dk", "mp", None)),
                    made.choice(("auto", "auto", "yes", "no")),
                    made.choice((None, date(2026, 1, 5), date(2026, 2, 5))),
                    made.randrange(5),
                    made.randrange(3),
                    made.choice((0, 0, 1)),
                    made.choice((0, 0, 2)),
                )
                for number in range(300)
            ],
        )
    return tenant


def fits(row: ListedRow, narrowed: Filter) -> bool:
    words = f"{row.name or ''} {row.account}".lower().translate(PLAIN).replace("-", " ").split()
    words += [word[place:] for word in words if not word.isascii() for place in range(len(word))]
    flagged = row.dormant + row.lapse > 0
    return (
        (narrowed.only is None or flagged)
        and (narrowed.only != "dormant" or row.dormant > 0)
        and (narrowed.only != "call" or row.enrollment != "no")
        and (narrowed.owner is None or row.owner == narrowed.owner)
        and (narrowed.enrollment is None or row.enrollment == narrowed.enrollment)
        and all(
            any(one.startswith(word.lower().translate(PLAIN).replace("'", "")) for one in words)
            for word in narrowed.words
        )
    )


def key(row: ListedRow, sort: Sort) -> tuple[Any, str]:
    value = {
        "name": (row.name or row.account).lower().translate(PLAIN).encode(),
        "last_order": row.last_ordered_on or date.min,
        "lifetime": row.lifetime_cents,
        "stake": row.at_stake_cents,
    }[sort]
    return value, row.account


@pytest.mark.parametrize(
    ("walked", "few", "most"), [(4_000, 20_000, 60_000), (20, 0, 60_000), (20, 0, 0), (1, 10, 10)]
)
def test_every_way_finds_the_same_pages(
    connection: db.Connection,
    crowd: str,
    monkeypatch: pytest.MonkeyPatch,
    walked: int,
    few: int,
    most: int,
) -> None:
    monkeypatch.setattr(account_paging, "MOST_WALKED", walked)
    monkeypatch.setattr(account_paging, "FARTHEST_WALKED", 3 * walked)
    monkeypatch.setattr(account_paging, "FEW_FOUND", few)
    monkeypatch.setattr(account_filter, "MOST_FOUND", most)
    with connection.transaction():
        everyone = accounts.page(
            connection,
            crowd,
            sort="name",
            descending=False,
            narrowed=Filter(),
            place=None,
            limit=1_000,
            now=NOW,
        )
    assert len(everyone) == 300
    ways = list(itertools.product(FILTERS, get_args(Sort), (False, True)))
    for narrowed, sort, descending in random.Random(walked + most).sample(ways, TRIED):
        expected = [
            row.account
            for row in sorted(everyone, key=lambda row: key(row, sort), reverse=descending)
            if fits(row, narrowed)
        ]
        place: Place | None = None
        found: list[ListedRow] = []
        with connection.transaction():
            while len(found) < 40:
                rows = accounts.page(
                    connection,
                    crowd,
                    sort=sort,
                    descending=descending,
                    narrowed=narrowed,
                    place=place,
                    limit=15,
                    now=NOW,
                )
                found += rows
                if len(rows) < 15:
                    break
                last = rows[-1]
                place = Place(
                    value=last.key if isinstance(last.key, int) else str(last.key),
                    account=last.account,
                    is_after=True,
                )
            if len(found) > 15:
                first = Place(
                    value=place_value(found[15]), account=found[15].account, is_after=False
                )
                before = accounts.page(
                    connection,
                    crowd,
                    sort=sort,
                    descending=descending,
                    narrowed=narrowed,
                    place=first,
                    limit=15,
                    now=NOW,
                )
                assert [row.account for row in before] == expected[:15]
            counted = accounts.count(connection, crowd, narrowed, now=NOW)
        assert [row.account for row in found] == expected[: len(found)] and len(found) >= min(
            40, len(expected)
        ), (narrowed, sort)
        assert counted == accounts.Counted(number=len(expected), is_all=True)


def place_value(row: ListedRow) -> str | int:
    return row.key if isinstance(row.key, int) else str(row.key)


def test_what_is_not_looked_at_to_the_end_is_said_to_be_more(
    connection: db.Connection, crowd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_paging, "MOST_COUNTED", 100)
    monkeypatch.setattr(accounts, "MOST_COUNTED", 100)
    with connection.transaction():
        assert accounts.count(connection, crowd, Filter(), now=NOW) == accounts.Counted(
            number=100, is_all=False
        )
        some = accounts.count(connection, crowd, Filter(only="dormant"), now=NOW)
        assert some.number <= 100


def test_a_renamed_account_is_found_by_its_new_words_alone(
    connection: db.Connection, crowd: str
) -> None:
    connection.execute(
        "UPDATE accounts SET name = 'Zebra-Works Inc.' WHERE organization = %s AND account = 'A-5'",
        (crowd,),
    )
    with connection.transaction():
        for words, expected in (
            (("zebra",), ["A-5"]),
            (("works", "inc"), ["A-5"]),
            (("zebra", "permian"), []),
        ):
            rows = accounts.page(
                connection,
                crowd,
                sort="name",
                descending=False,
                narrowed=Filter(words=words),
                place=None,
                limit=9,
                now=NOW,
            )
            assert [row.account for row in rows] == expected
