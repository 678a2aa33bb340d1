"""Names are found and sorted without accents, case, width or typographic marks, whichever way they
were encoded, and inside names of scripts that put no blanks between words.
"""

import unicodedata
from datetime import UTC, datetime

import pytest

from services.signals.store import accounts
from services.signals.store.account_filter import Filter
from shared import db

NOW = datetime(2026, 3, 3, tzinfo=UTC)
NAMES = (
    *("Müller Röhren GmbH", "Łódź Śruba", "O’Brien Pipe", "O'Neil Supply", "100% Steel"),
    *("Ärzte Öl", "Zulu Tubulars", "alpha pipe", "Société Générale d'Acier", "Straße & Söhne"),
    *(
        "上海钢管有限公司",
        "Žďár Steel",
        "Ingersoll–Rand",
        "ＡＣＭＥ　東京パイプ",
        "ΕΛΛΗΝΙΚΟΣ Σωλήνας",
    ),
    *("Трубный Завод «Урал»", "Ørsted Æther", "현대제철 주식회사", "Nguyễn Đình", "“Quoted” Ltd™"),
    *("ลุ่มน้ำมัน", "İstanbul Çelik", "ﬁne ﬂow"),
)
SORTED = (
    *("100% Steel", "alpha pipe", "Ärzte Öl", "Ingersoll–Rand", "Łódź Śruba"),
    *("Müller Röhren GmbH", "O’Brien Pipe", "O'Neil Supply", "Société Générale d'Acier"),
    *("Straße & Söhne", "Žďár Steel", "Zulu Tubulars", "上海钢管有限公司"),
)


@pytest.fixture
def named(connection: db.Connection, tenant: str) -> str:
    """An account a name; every other one as macOS and some exports write it (NFD)."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO accounts (organization, account, name) VALUES (%s, %s, %s)",
            [
                (
                    tenant,
                    f"C-{place}",
                    unicodedata.normalize("NFD" if place % 2 else "NFC", name),
                )
                for place, name in enumerate(NAMES)
            ],
        )
    return tenant


def found(connection: db.Connection, organization: str, *typed: str) -> list[str]:
    with connection.transaction():
        rows = accounts.page(
            connection,
            organization,
            sort="name",
            descending=False,
            narrowed=Filter(words=typed),
            place=None,
            limit=50,
            now=NOW,
        )
    return [unicodedata.normalize("NFC", row.name or "") for row in rows]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        *((one, "Müller Röhren GmbH") for one in ("Müller", "MÜLLER", "muller", "mu\u0308ller")),
        *((one, "Žďár Steel") for one in ("zdar", "Žďár", "ŽĎÁR", "ｚｄａｒ")),
        *((one, "Société Générale d'Acier") for one in ("societe", "generale", "acier", "d’acier")),
        *((one, "Straße & Söhne") for one in ("strasse", "STRASSE", "straße", "sohne")),
        *(
            (one, "O’Brien Pipe")
            for one in ("O’Brien", "O'Brien", "obrien", "brien", "o‘b", "O`Br")
        ),
        *((one, "O'Neil Supply") for one in ("O'Neil", "oneil", "O’neil")),
        *((one, "Ingersoll–Rand") for one in ("Ingersoll Rand", "ingersoll-rand", "rand")),
        *(
            (one, "上海钢管有限公司")
            for one in ("钢管", "上海", "有限公司", "上海钢管有限公司", "司")
        ),
        *((one, "ＡＣＭＥ　東京パイプ") for one in ("acme", "パイプ", "京パ", "ﾊﾟｲﾌﾟ")),
        *((one, "ΕΛΛΗΝΙΚΟΣ Σωλήνας") for one in ("ελληνικός", "σωληνας", "ΣΩΛΗΝΑΣ")),
        *((one, "Трубный Завод «Урал»") for one in ("трубныи", "ЗАВОД", "урал")),
        *((one, "Łódź Śruba") for one in ("lodz", "sruba", "łódź")),
        *((one, "Ørsted Æther") for one in ("orsted", "aether", "ØRSTED")),
        *((one, "현대제철 주식회사") for one in ("현대", "제철", "회사")),
        *((one, "Nguyễn Đình") for one in ("nguyen dinh", "đình")),
        *((one, "“Quoted” Ltd™") for one in ("quoted", '"quoted"', "ltd")),
        *((one, "ลุ่มน้ำมัน") for one in ("น้ำ", "มัน")),
        *((one, "İstanbul Çelik") for one in ("istanbul", "celik")),
        *((one, "ﬁne ﬂow") for one in ("fine", "flow")),
    ],
)
def test_a_name_is_found_however_it_is_typed(
    connection: db.Connection, named: str, typed: str, name: str
) -> None:
    assert found(connection, named, typed) == [name]


@pytest.mark.parametrize("typed", ["ueller", "管钢", "obrian", "&", "–", "'", "‘’", "%", "_"])
def test_what_nobody_is_called_finds_nobody(
    connection: db.Connection, named: str, typed: str
) -> None:
    assert found(connection, named, typed) == []


def test_names_are_sorted_where_people_look_for_them(connection: db.Connection, named: str) -> None:
    assert [name for name in found(connection, named) if name in SORTED] == list(SORTED)


def test_names_stand_in_the_root_order_of_unicode_where_there_is_icu(
    connection: db.Connection, named: str
) -> None:
    """By another collation than C, letters of other scripts and signs come in another order."""
    has_icu = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')"
    ).fetchone()
    (collation,) = connection.execute(
        "SELECT collation_name FROM information_schema.columns "
        "WHERE table_name = 'accounts' AND column_name = 'sort_name'"
    ).fetchone() or ("",)
    assert collation == ("und-x-icu" if has_icu == (True,) else "C")


@pytest.mark.parametrize("name", ["ﷺ" * 200, "𠀀" * 200, "d’" * 100, "é" * 200, "'" * 200])
def test_no_name_is_too_much_for_an_index(
    connection: db.Connection, tenant: str, name: str
) -> None:
    connection.execute(
        "INSERT INTO accounts (organization, account, name) VALUES (%s, %s, %s)",
        (tenant, "長" * 66, name),
    )
    assert found(connection, tenant, "長長") == [unicodedata.normalize("NFC", name)]


def test_a_very_long_name_hides_no_id(connection: db.Connection, tenant: str) -> None:
    connection.execute(
        "INSERT INTO accounts (organization, account, name) VALUES (%s, 'ZZ-9', %s)",
        (tenant, " ".join(f"w{number}" for number in range(60))[:200]),
    )
    assert len(found(connection, tenant, "zz-9")) == 1
