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


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("2026-03-30T00:00:00Z", True),
        ("2026-03-30 00:00:00.000+00:00", True),
        ("2026-03-30T00:00:01Z", False),
        ("2026-03-30T00:00:00-05:00", False),
        ("2026-03-30", False),
    ],
)
def test_a_midnight_in_utc_that_is_another_day_here_is_warned_of(text: str, warned: bool) -> None:
    warnings = accepted(ORDER | {"ordered_on": text}).warnings
    assert [one.field for one in warnings] == ["ordered_on"] * warned


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


def test_float_tails_of_lines_and_of_the_total_cost_no_order() -> None:
    lines = [LINE | {"revenue": 0.1}, LINE | {"revenue": 123.45000000000002}]
    item = ORDER | {"lines": lines, "total": "123.55000000000002"}
    assert [line.revenue_cents for line in order_of(item).lines] == [10, 12345]
    assert [one.field for one in accepted(item).warnings] == ["lines[1].revenue", "total"]


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


SHOWN = [
    ("Acme\r\nBcc: x", "Acme Bcc: x", "U+000D"),
    ("Acme\tPipe", "Acme Pipe", "U+0009"),
    ("Acme\u200bPipe", "AcmePipe", "U+200B"),
    ("Acme\u00adPipe", "AcmePipe", "U+00AD"),
    ("\ufeffAcme", "Acme", "U+FEFF"),
    ("\u202bשרות\u202c", "שרות", "U+202B"),
    ("L\x92Acier \x96 Cie", "L\u2019Acier \u2013 Cie", "U+0092"),
    ("a\x81b\x00", "ab", "U+0081"),
    ("T" * 230, "T" * 200, "cut to 200"),
]


@pytest.mark.parametrize(("text", "kept", "said"), SHOWN)
def test_what_is_only_for_show_is_cleaned_with_a_warning(text: str, kept: str, said: str) -> None:
    item = ORDER | {"account_name": text, "lines": [LINE | {"product": text}]}
    order = order_of(item)
    assert (order.account_name, order.lines[0].product) == (kept, kept)
    warnings = accepted(item).warnings
    assert [one.field for one in warnings] == ["account_name", "lines[0].product"]
    assert all(said in one.reason for one in warnings)
    account = accept_account({"account": "A", "name": text, "owner": text}, TERMS)
    assert isinstance(account.event, AccountChanged)
    assert (account.event.name, account.event.owner) == (kept, kept)
    assert [one.field for one in account.warnings] == ["name", "owner"]
    contact = accept_contact({"contact": "C", "account": "A", "name": text}, TERMS)
    assert isinstance(contact.event, ContactChanged)
    assert (contact.event.name, [one.field for one in contact.warnings]) == (kept, ["name"])


def test_a_name_keeps_no_encoded_word_and_what_is_seen_stays() -> None:
    assert order_of(ORDER | {"account_name": "=?utf-8?q?x?="}).account_name == "= ?utf-8?q?x? ="
    assert accepted(ORDER | {"account_name": "شركة 👩\u200d🏭"}).warnings == ()
    assert order_of(ORDER | {"lines": [LINE | {"product": " "}]}).lines[0].product is None


QUANTITIES = [
    ("12 FT", "12"),
    ("12.50ft.", "12.5"),
    ("-3 pcs", "-3"),
    ("1,200.5 FT", "1200.5"),
    ("1,200 FT", None),
    ("1e5", None),
    ("many", None),
    ("2 x 3", None),
    ("1" * 40, None),
]


@pytest.mark.parametrize(("text", "quantity"), QUANTITIES)
def test_a_quantity_is_kept_as_far_as_it_can_be_read(text: str, quantity: str | None) -> None:
    item = ORDER | {"lines": [LINE | {"quantity": text}]}
    assert order_of(item).lines[0].quantity == quantity
    assert [warning.field for warning in accepted(item).warnings] == ["lines[0].quantity"]


def test_a_grade_that_cannot_be_kept_does_not_cost_the_order() -> None:
    item = ORDER | {"lines": [LINE | {"grade": "x" * 201}]}
    assert order_of(item).lines == (Line(product="P", revenue_cents=1000),)
    assert [warning.field for warning in accepted(item).warnings] == ["lines[0].grade"]


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
        *(
            "jos\u00e9@a.example",
            "dana..f@a.example",
            "dana@a..example",
            "'dana@a.example'",
            "a@b.",
        ),
    ],
)
def test_an_address_that_no_mail_reaches_does_not_cost_the_contact(email: str) -> None:
    contact = accept_contact({"contact": "C", "account": "A", "email": email}, TERMS)
    assert isinstance(contact.event, ContactChanged) and contact.event.email is None
    assert [warning.field for warning in contact.warnings] == ["email"]


@pytest.mark.parametrize("email", ["ana@x.example.", " ana@x.example", "ana@x.example"])
def test_an_address_is_the_one_that_our_sender_takes(email: str) -> None:
    contact = accept_contact({"contact": "C", "account": "A", "email": email}, TERMS)
    assert isinstance(contact.event, ContactChanged)
    assert (contact.event.email, contact.warnings) == ("ana@x.example", ())


def test_a_contact_brings_how_to_reach_them_in_one_spelling() -> None:
    contact = accept_contact(
        {
            "contact": "C",
            "account": "A",
            "phone": "+1 432 555 0142",
            "title": "Purchasing\tmanager",
            "newsletter": "Subscribed",
            "language": "en_us",
            "zone": "america/chicago",
            "country": "us",
        },
        TERMS,
    )
    assert contact.event == ContactChanged(
        organization="acme",
        contact="C",
        account="A",
        revision=1774976400000,
        phone="+1 432 555 0142",
        title="Purchasing manager",
        newsletter="subscribed",
        language="en-US",
        zone="America/Chicago",
        country="US",
    )
    assert [warning.field for warning in contact.warnings] == ["title"]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("phone", "call me"),
        ("newsletter", "yes"),
        ("language", "English"),
        ("zone", "Chicago"),
        ("country", "USA"),
    ],
)
def test_what_is_wrong_about_a_contact_is_left_out_by_its_field_and_costs_nothing_else(
    field: str, text: str
) -> None:
    contact = accept_contact(
        {"contact": "C", "account": "A", "email": "ana@x.example", field: text}, TERMS
    )
    assert isinstance(contact.event, ContactChanged)
    assert (contact.event.email, getattr(contact.event, field)) == ("ana@x.example", None)
    assert [warning.field for warning in contact.warnings] == [field]
    assert contact.warnings[0].reason.endswith(", and was left out")


@pytest.mark.parametrize("field", ["phone", "title", "newsletter", "language", "zone", "country"])
def test_a_word_for_nothing_is_nothing_said_about_a_contact(field: str) -> None:
    contact = accept_contact({"contact": "C", "account": "A", field: "N/A"}, TERMS)
    assert isinstance(contact.event, ContactChanged)
    assert (getattr(contact.event, field), contact.warnings) == (None, ())


def test_a_phone_may_be_a_number_of_json() -> None:
    contact = read_json(b'{"contact": "C", "account": "A", "phone": 14325550142}')
    event = accept_contact(contact, TERMS).event
    assert isinstance(event, ContactChanged) and event.phone == "14325550142"


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
