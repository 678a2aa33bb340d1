"""One untrusted item at a time: what is accepted, as what, and what is refused by which field."""

import json
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from services.ingest.acceptance import (
    LARGEST_RECORD,
    Accepted,
    Terms,
    accept_account,
    accept_contact,
    accept_order,
)
from services.ingest.bodies import read_json
from services.ingest.intake import KINDS, take_in
from shared.domain.sizes import TaughtSizes
from shared.errors import FieldError, Rejected
from shared.events import AccountChanged, ContactChanged, Line, Order

NOON_IN_CHICAGO = datetime(2026, 3, 31, 17, 0, tzinfo=UTC)
TERMS = Terms(
    organization="acme", currency="USD", timezone="America/Chicago", accepted_at=NOON_IN_CHICAGO
)
LINE = {"product": "P", "revenue": "10.00"}
ORDER = {"order": "O-1", "account": "A-1", "ordered_on": "2026-03-30", "lines": [LINE]}


def accepted(item: dict[str, Any], terms: Terms = TERMS) -> Accepted:
    return accept_order(read_json(json.dumps(item).encode()), terms)


def order_of(item: dict[str, Any], terms: Terms = TERMS) -> Order:
    event = accepted(item, terms).event
    assert isinstance(event, Order)
    return event


def refused(item: object) -> set[str]:
    with pytest.raises(Rejected) as caught:
        accept_order(item, TERMS)
    return {error.field for error in caught.value.errors}


def test_an_order_becomes_an_event_with_its_raw_texts() -> None:
    item = {
        "order": "O-1",
        "account": "A-1",
        "account_name": "Ölwerk 👩\u200d🏭",
        "ordered_on": "2026-03-30",
        "revision": 7,
        "status": "Canceled",
        "currency": "USD",
        "total": "22.51",
        "lines": [
            {
                "product": " P ",
                "od": '5 1/2"',
                "grade": "J-55",
                "quantity": "012.0",
                "revenue": "12.505",
            },
            {"product": "Q", "od": "", "grade": None, "revenue": 10},
        ],
    }
    order = order_of(item)
    assert order == Order(
        organization="acme",
        order="O-1",
        account="A-1",
        account_name="Ölwerk 👩\u200d🏭",
        ordered_on=date(2026, 3, 30),
        counts_on=date(2026, 3, 30),
        revision=7,
        cancelled=True,
        content=order.content,
        lines=(
            Line(revenue_cents=1251, product="P", od='5 1/2"', grade="J-55", quantity="12"),
            Line(revenue_cents=1000, product="Q"),
        ),
    )
    assert accepted(item).warnings == (
        FieldError(
            field="lines[0].revenue", reason="was rounded to the minor unit of the currency"
        ),
    )
    assert msgspec.json.decode(accepted(item).encoded, type=Order) == order


def test_an_order_without_a_revision_gets_the_time_of_acceptance() -> None:
    order = order_of(ORDER)
    assert (order.revision, order.revision_given) == (1774976400000, False)


def test_words_for_nothing_are_nothing_where_nothing_may_be() -> None:
    line = LINE | {"od": "N/A", "grade": "#N/A", "quantity": "NULL"}
    sent = ORDER | {"account_name": "NULL", "status": "-", "lines": [line]}
    order = order_of(sent)
    assert order.lines == (Line(product="P", revenue_cents=1000),)
    assert (order.account_name, order.cancelled) == (None, False)
    assert accepted(sent).warnings == ()
    account = accept_account({"account": "A", "name": "nan", "owner": "\\N"}, TERMS).event
    assert isinstance(account, AccountChanged)
    assert (account.name, account.owner) == (None, None)


@pytest.mark.parametrize("name", ["Null", "Nan", "NA", "N", "Nan Goldin", "None Such Pipe"])
def test_a_name_that_only_looks_like_a_word_for_nothing_is_a_name(name: str) -> None:
    assert order_of(ORDER | {"account_name": name}).account_name == name


@pytest.mark.parametrize("text", ['="001001"', "'001001", '= "001001"'])
def test_an_id_that_was_written_for_a_spreadsheet_is_the_id_with_a_warning(text: str) -> None:
    item = ORDER | {"account": text, "order": text}
    order = order_of(item)
    assert (order.order, order.account) == ("001001", "001001")
    assert accepted(item).id == "001001"
    assert [warning.field for warning in accepted(item).warnings] == ["order", "account"]
    contact = accept_contact({"contact": text, "account": text}, TERMS)
    assert (contact.id, len(contact.warnings)) == ("001001", 2)


USUAL_IDS = [
    "'A-1'",
    "'",
    "1E11",
    "12E5",
    "A1.5E+3",
    "000123",
    "NA",
    "N-1",
    "nu",
    "A+B",
    "1.2",
    "=",
]


@pytest.mark.parametrize("id_", USUAL_IDS)
def test_an_id_that_no_spreadsheet_wrote_stays_as_it_is(id_: str) -> None:
    assert order_of(ORDER | {"order": id_}).order == id_
    assert accepted(ORDER | {"order": id_}).warnings == ()


def test_a_whole_number_as_an_id_is_its_digits() -> None:
    order = order_of(ORDER | {"order": 1001, "account": 2**53})
    assert (order.order, order.account) == ("1001", "9007199254740992")


DAYS = [
    ("2026-03-31", date(2026, 3, 31), date(2026, 3, 31)),
    (
        "2026-04-01",
        date(2026, 4, 1),
        date(2026, 3, 31),
    ),  # a day ahead: it counts on the day it was accepted
    ("1970-01-01", date(1970, 1, 1), date(1970, 1, 1)),
    ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
    ("2026-03-31T04:59:59Z", date(2026, 3, 30), date(2026, 3, 30)),
    ("2026-03-31T05:00:00Z", date(2026, 3, 31), date(2026, 3, 31)),
    ("2026-03-31 00:30:00.123456789+01:00", date(2026, 3, 30), date(2026, 3, 30)),
    ("2026-03-31t12:00-0500", date(2026, 3, 31), date(2026, 3, 31)),
    ("2026-04-02T04:59:59Z", date(2026, 4, 1), date(2026, 3, 31)),
]


@pytest.mark.parametrize(("text", "ordered_on", "counts_on"), DAYS)
def test_a_day_is_the_organizations(text: str, ordered_on: date, counts_on: date) -> None:
    order = order_of(ORDER | {"ordered_on": text})
    assert (order.ordered_on, order.counts_on) == (ordered_on, counts_on)


WRONG_DAYS: list[object] = [
    *(
        "2026-04-02",
        "2026-04-02T05:00:00Z",
        "1969-12-31",
        "0001-01-01",
        "9999-12-31",
        "0001-01-01T00:00:00Z",
    ),
    *(
        "9999-12-31T23:59:59-14:00",
        "2026-03-31T12:00:00",
        "2026-03-31 12:00",
        "2026-02-29",
        "2026-13-01",
        "31.03.2026",
    ),
    *(
        "20260331",
        "2026-W14-2",
        "2026-3-31",
        "",
        "today",
        "1774915200",
        1774915200,
        1.5,
        True,
        None,
        ["2026-03-31"],
    ),
    *(
        "２０２６-03-31",
        "2026-03-31T25:00:00Z",
        "2026-03-31T12:00:00+25:00",
        " 2026-03-31",
        "2026-03-31\n",
    ),
]


@pytest.mark.parametrize("day", WRONG_DAYS)
def test_what_is_no_day_of_the_organization_is_refused(day: object) -> None:
    assert refused(read_json(json.dumps(ORDER | {"ordered_on": day}).encode())) == {"ordered_on"}


WRONG: list[tuple[dict[str, Any], set[str]]] = [
    ({"order": ""}, {"order"}),
    ({"order": "x" * 1_000_000}, {"order"}),
    ({"order": "a\x00b"}, {"order"}),
    ({"order": "a\r\nb"}, {"order"}),
    ({"order": "a\ud800"}, {"order"}),
    ({"account": "a\u202eb"}, {"account"}),
    ({"account": "a\u200bb"}, {"account"}),
    ({"account": " A"}, {"account"}),
    *(({"account": id_}, {"account"}) for id_ in (12.0, -12, 2**53 + 1, 10**400, True)),
    *(({"account": id_}, {"account"}) for id_ in ("NULL", "n/a", "#N/A", "NaN", "None", "-")),
    *(({"order": id_}, {"order"}) for id_ in ("\\N", "Null", "'NULL", '="-"', "\u2014")),
    *(({"order": id_}, {"order"}) for id_ in ("1.23457E+11", "1,23457E+11", "1e+11")),
    *(({"account": id_}, {"account"}) for id_ in ("1.23456789012E11", "-1.2E-7")),
    ({"account": None}, {"account"}),
    ({"account_name": "a\r\nBcc: x"}, {"account_name"}),
    ({"order": None, "account": {}}, {"order", "account"}),
    ({"revision": -1}, {"revision"}),
    ({"revision": 2**53 + 1}, {"revision"}),
    ({"revision": 10**400}, {"revision"}),
    ({"revision": "7"}, {"revision"}),
    ({"revision": 1.5}, {"revision"}),
    ({"revision": True}, {"revision"}),
    ({"status": "shipped"}, {"status"}),
    ({"currency": "EUR"}, {"currency"}),
    ({"total": "10.02"}, {"total"}),
    ({"total": "9.98"}, {"total"}),
    ({"total": "NaN"}, {"total"}),
    ({"lines": []}, {"lines"}),
    ({"lines": None}, {"lines"}),
    ({"lines": [LINE] * 5001}, {"lines"}),
    ({"lines": [LINE] * 200_000}, {"lines"}),
    ({"lines": ["x"]}, {"lines[0]"}),
    ({"owner": "x"}, {"owner"}),
    ({"a\x00\u202e": 1}, {"a\\x00\\u202e"}),
    ({"lines": [LINE, LINE | {"line": 1}]}, {"lines[1].line"}),
    ({"lines": [LINE, LINE | {"revenue": None}]}, {"lines[1].revenue"}),
    ({"lines": [LINE | {"product": 1, "quantity": "many"}]}, {"lines[0].product"}),
    ({"lines": [LINE | {"product": " "}]}, {"lines[0].product"}),
    ({"lines": [LINE | {"grade": "\ud800"}]}, {"lines[0].grade"}),
    ({"lines": [LINE | {"quantity": "1e5"}]}, {"lines[0].quantity"}),
    *(
        ({"lines": [LINE, LINE | {"revenue": text}]}, {"lines[1].revenue"})
        for text in (
            "",
            "x",
            "NaN",
            "Infinity",
            "-inf",
            "1e400",
            "1" * 40,
            "1.1234567",
            "1,000",
            "٣",
            "0x10",
            "1 ",
            True,
        )
    ),
    *(
        ({"lines": [LINE, LINE | {"revenue": value}]}, {"lines[1].revenue"})
        for value in (float("nan"), float("inf"), 1e300)
    ),
]


@pytest.mark.parametrize(("part", "fields"), WRONG)
def test_what_is_wrong_is_refused_by_its_field(part: dict[str, Any], fields: set[str]) -> None:
    assert refused(read_json(json.dumps(ORDER | part).encode())) == fields


@pytest.mark.parametrize("item", [None, [], "x", 1, True, {}])
def test_what_is_no_order_is_refused(item: object) -> None:
    assert refused(item) <= {"body", "order", "account", "ordered_on", "lines"}


def test_a_key_that_comes_twice_is_refused_by_its_name() -> None:
    line = b'{"product": "P", "revenue": "1", "revenue": "2"}'
    body = (
        b'{"order": "1", "account": "A", "ordered_on": "2026-03-30", "account": "B", "lines": [%s]}'
        % line
    )
    assert refused(read_json(body)) == {"account", "lines[0].revenue"}


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert refused(ORDER | {"ordered_on": "x", "status": "y", "currency": "EUR"}) == {
        "ordered_on",
        "status",
        "currency",
    }


TOTALS = ["10.00", "10.01", "9.99", "10", "10.009999"]


@pytest.mark.parametrize("total", TOTALS)
def test_a_total_may_be_off_by_one_minor_unit(total: str) -> None:
    assert order_of(ORDER | {"total": total}).order == "O-1"


def test_a_total_is_held_against_the_lines_as_sent_not_as_rounded() -> None:
    lines = [LINE | {"revenue": "0.004"}] * 10
    assert order_of(ORDER | {"lines": lines, "total": "0.04"}).lines[0].revenue_cents == 0
    assert refused(ORDER | {"lines": lines, "total": "0.06"}) == {"total"}


@pytest.mark.parametrize(("currency", "cents"), [("JPY", 13), ("USD", 1250), ("KWD", 12500)])
def test_money_is_in_minor_units_of_the_organizations_currency(currency: str, cents: int) -> None:
    terms = Terms(
        organization="acme", currency=currency, timezone="UTC", accepted_at=NOON_IN_CHICAGO
    )
    assert (
        order_of(ORDER | {"lines": [LINE | {"revenue": "12.5"}]}, terms).lines[0].revenue_cents
        == cents
    )


def test_an_od_that_cannot_be_read_is_a_warning_unless_it_was_taught() -> None:
    item = ORDER | {"lines": [LINE | {"od": "6 SCH 40"}]}
    assert [warning.field for warning in accepted(item).warnings] == ["lines[0].od"]
    taught = Terms(
        organization="acme",
        currency="USD",
        timezone="UTC",
        accepted_at=NOON_IN_CHICAGO,
        sizes=TaughtSizes({"6sch40": "6.625"}),
    )
    assert accepted(item, taught).warnings == ()
    assert order_of(item, taught).lines[0].od == "6 SCH 40"


@pytest.mark.parametrize("od", ["5\x00", "\ud800", "5" * 201, "x" * 100_000])
def test_an_od_that_cannot_even_be_kept_is_a_warning_and_does_not_cost_the_order(od: str) -> None:
    item = ORDER | {"lines": [LINE | {"od": od}]}
    assert order_of(item).lines == (Line(product="P", revenue_cents=1000),)
    assert [warning.field for warning in accepted(item).warnings] == ["lines[0].od"]


def test_the_same_content_has_the_same_hash_however_its_numbers_are_written() -> None:
    one = order_of(ORDER | {"lines": [LINE | {"revenue": "10", "quantity": "2.50"}]})
    other = order_of(
        ORDER
        | {
            "revision": 3,
            "status": "OPEN",
            "account_name": "X",
            "lines": [LINE | {"quantity": 2.5}],
        }
    )
    assert one.content == other.content


def test_an_order_that_no_record_could_hold_is_refused() -> None:
    line = {"product": "日" * 66, "od": "日" * 200, "grade": "日" * 200, "revenue": "1"}
    assert len(json.dumps(line, ensure_ascii=False).encode()) * 1000 > LARGEST_RECORD
    assert refused(ORDER | {"lines": [line] * 1000}) == {"lines"}


def test_accounts_and_contacts() -> None:
    account = accept_account({"account": "A", "name": "=cmd()", "owner": "Kim"}, TERMS)
    assert account.event == AccountChanged(
        organization="acme", account="A", revision=1774976400000, name="=cmd()", owner="Kim"
    )
    contact = accept_contact(
        {"contact": "C", "account": "A", "email": "kim@example.com", "primary": True}, TERMS
    )
    assert contact.event == ContactChanged(
        organization="acme",
        contact="C",
        account="A",
        revision=1774976400000,
        email="kim@example.com",
        primary=True,
    )


@pytest.mark.parametrize(
    "email",
    [
        "x",
        "a@b",
        "a b@c.de",
        "a@b.c\r\nBcc: d@e.f",
        "a@@b.cd",
        "<a@b.cd>",
        "a@b.cd,e@f.gh",
        "a" * 250 + "@b.cd",
    ],
)
def test_a_contact_needs_an_address_that_ends_no_header(email: str) -> None:
    with pytest.raises(Rejected) as caught:
        accept_contact({"contact": "C", "account": "A", "email": email}, TERMS)
    assert [error.field for error in caught.value.errors] == ["email"]


def test_a_refused_item_stops_no_other_and_contents_that_contradict_are_told() -> None:
    items = [ORDER | {"revision": 1}, {"order": "x\x00"}, ORDER | {"revision": 1, "account": "B"}]
    taken = take_in(KINDS["orders"], items, TERMS, source="test")
    assert [(result.index, result.id, result.status) for result in taken.results] == [
        (0, "O-1", "accepted"),
        (1, None, "rejected"),
        (2, "O-1", "accepted"),
    ]
    assert [warning.field for warning in taken.results[2].warnings] == ["revision"]
    assert [error.field for error in taken.errors][:1] == ["[1].account"]


DEAREST = LINE | {"revenue": "100000000000.00"}  # 10**13 minor units


def test_an_order_is_worth_at_most_a_hundred_of_the_dearest_lines() -> None:
    fine = ORDER | {"lines": [DEAREST] * 100, "total": "10000000000000.00"}
    assert sum(line.revenue_cents for line in order_of(fine).lines) == 10**15
    assert refused(ORDER | {"lines": [DEAREST] * 101}) == {"lines"}
    back = [LINE | {"revenue": "-100000000000.00"}] * 101
    assert refused(ORDER | {"lines": back}) == {"lines"}
    assert refused(ORDER | {"total": "10000000000000.01"}) == {"total"}
    assert refused(ORDER | {"lines": [LINE | {"revenue": "100000000000.01"}]}) == {
        "lines[0].revenue"
    }
