"""Drafts: who is enrolled, what fills the text, and that the text has the angle of its type."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from shared.domain import drafts, letters
from shared.domain.drafts import Addressee, Lapsed, Purchase, Skipped, Story
from shared.domain.placeholders import check, fill, variables_in
from shared.errors import Rejected
from shared.events import SignalType

TYPES: tuple[SignalType, ...] = ("dormant", "lapse", "cherry_picking")
MONDAY = date(2026, 11, 23)


def addressee(**changed: Any) -> Addressee:
    return replace(Addressee(contact="C-1", email="ana@permian.example"), **changed)


def purchase(on: str, cents: int = 100_00, **line: str | None) -> Purchase:
    return Purchase(
        order=line.pop("order", None) or f"SO-{on}",
        ordered_on=date.fromisoformat(on),
        revenue_cents=cents,
        product=line.get("product"),
        od=line.get("od"),
        grade=line.get("grade"),
        quantity=line.get("quantity"),
    )


def story(*purchases: Purchase, **changed: Any) -> Story:
    plain = Story(
        as_of=MONDAY,
        drafted_on=MONDAY,
        organization="Three Forks Pipe",
        account="Permian Supply",
        owner="dk",
        contact_name="Ana Ruiz",
        purchases=purchases,
        minimum_od="6",
    )
    return replace(plain, **changed)


PERMIAN = story(
    *(
        purchase(day, od="5.5", grade="J55", quantity=f"{feet} ft")
        for day, feet in [
            ("2026-03-02", 480), ("2026-05-11", 500), ("2026-06-01", 500), ("2026-07-20", 520),
            ("2026-08-21", 900),
        ]
    ),
    purchase("2025-11-23", od="5.5", grade="J55", quantity="500 ft"),
    purchase("2026-11-20", 9_000_00, od="9.625", grade="P110"),
    lapsed=(
        Lapsed(signal="s", od=None, grade="L80", lapsed_revenue_cents=60_000_00),
        Lapsed(signal="s", od="5.5", grade="J55", lapsed_revenue_cents=73_100_00),
    ),
)  # fmt: skip


# -- who is enrolled -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"contact": None, "email": None}, "no-contact"),
        ({"email": None}, "no-email"),
        ({"email": "  "}, "no-email"),
        ({"suppressed": "unsubscribed"}, "unsubscribed"),
        ({"suppressed": "bounced"}, "bounced"),
        ({"account_in_sequence": True}, "account-in-sequence"),
        ({"contact_in_sequence": True}, "contact-in-sequence"),
        ({"email": None, "suppressed": "bounced", "account_in_sequence": True}, "no-email"),
        ({"suppressed": "unsubscribed", "account_in_sequence": True}, "unsubscribed"),
        ({"account_in_sequence": True, "contact_in_sequence": True}, "account-in-sequence"),
    ],
)
def test_the_first_reason_not_to_write_is_the_one_that_is_listed(
    changed: dict[str, Any], reason: Any
) -> None:
    expected = Skipped(reason=reason) if reason else None
    assert drafts.skip(addressee(**changed)) == expected


# -- what fills the text ---------------------------------------------------------------------------


def test_a_lapse_letter_names_what_lapsed_when_and_how_much_of_it_was_usual() -> None:
    assert drafts.variables("lapse", PERMIAN) == {
        "account": "Permian Supply",
        "contact_name": "Ana Ruiz",
        "owner": "dk",
        "organization": "Three Forks Pipe",
        "last_order": "21 August",
        "hold_until": "11 December",
        "confirmed": "",
        "bought": "9 5/8 P110 and 5 1/2 J55",
        "lapsed": "5 1/2 J55",
        "all_lapsed": "5 1/2 J55 and L80",
        "months": "5",
        "usual_quantity": "500 ft",
    }


def test_the_first_lapse_mail_reads_as_a_person_would_write_it() -> None:
    first = letters.STEPS["lapse"][0]
    values = drafts.variables("lapse", PERMIAN)
    assert fill(first.subject, values) == "5 1/2 J55: do you still need it?"
    assert fill(first.text, values) == (
        "Hello Ana Ruiz,\n\n"
        "your last order with 5 1/2 J55 was on 21 August; "
        "you bought it in 5 of the last twelve months."
        "\n\n"
        "\n\n"
        "Have your requirements changed, or is someone else serving this size now? "
        "A line back is enough.\n\n"
        "dk, Three Forks Pipe"
    )


def test_an_account_without_sizes_and_grades_is_told_of_its_products() -> None:
    gifts = story(
        purchase("2025-01-07", 30_00, product="85123A"),
        purchase("2025-01-07", 50_00, product="22423"),
    )
    values = drafts.variables("dormant", gifts)
    assert (values["bought"], values["last_order"]) == ("22423 and 85123A", "7 January 2025")


def test_a_cherry_picking_letter_has_their_specialty_as_proof() -> None:
    values = drafts.variables(
        "cherry_picking",
        story(
            purchase("2026-02-03", 700_00, od="9.625", grade="P110", order="SO-1"),
            purchase("2026-02-03", 800_00, od="13.375", grade="K55", order="SO-1"),
            purchase("2026-09-30", 900_00, od="6", order="SO-2"),
            purchase("2026-10-05", 5_000_00, od="5.5", grade="J55", order="SO-3"),
            purchase("2025-11-23", 9_000_00, od="20", order="SO-0"),
            specialty_share_bps=8_350,
        ),
    )
    assert {
        name: values[name]
        for name in ("specialty", "specialty_share", "specialty_orders", "last_order")
    } == {
        "specialty": "6, 13 3/8 and 9 5/8",
        "specialty_share": "84%",
        "specialty_orders": "2 orders",
        "last_order": "30 September",
    }


def test_a_letter_to_nobody_by_name_greets_all_the_same() -> None:
    values = drafts.variables(
        "dormant", story(purchase("2026-01-05", product="X"), owner=None, contact_name=None)
    )
    text = fill(letters.STEPS["dormant"][0].text, values)
    assert text.startswith("Hello,\n\n")
    assert text.endswith("\n\nYour sales team, Three Forks Pipe")


def test_an_account_without_history_still_gives_whole_sentences() -> None:
    for signal_type in TYPES:
        lapsed = (Lapsed(signal="s", od="5.5", grade=None, lapsed_revenue_cents=1),)
        values = drafts.variables(signal_type, story(lapsed=lapsed))
        empty = {name for name, value in values.items() if not value}
        assert empty <= {"contact_name", "confirmed"}


@pytest.mark.parametrize("signal_type", TYPES)
def test_every_variable_of_a_type_has_a_value_and_every_draft_uses_only_those(
    signal_type: SignalType,
) -> None:
    assert drafts.variables(signal_type, PERMIAN).keys() == letters.VARIABLES[signal_type].keys()
    for step in letters.STEPS[signal_type]:
        check(step.subject, letters.VARIABLES[signal_type])
        check(step.text, letters.VARIABLES[signal_type])


@pytest.mark.parametrize("signal_type", TYPES)
def test_a_draft_is_three_mails_over_eight_business_days(signal_type: SignalType) -> None:
    assert [step.wait_days for step in letters.STEPS[signal_type]] == [0, 3, 5]


def test_each_type_has_its_own_angle() -> None:
    def said(signal_type: SignalType) -> str:
        return " ".join(step.subject + " " + step.text for step in letters.STEPS[signal_type])

    assert "{bought}" in letters.STEPS["dormant"][0].subject
    assert "lead time" in said("dormant") and "What has changed" in said("dormant")
    assert "{lapsed}" in letters.STEPS["lapse"][0].subject
    assert "requirements changed" in said("lapse") and "someone else" in said("lapse")
    assert "one source for specialty and standard" in said("cherry_picking")


PROMISES = (
    "is available", "on our yard", "in stock", "hold", "held", "keep", "price", "same day",
    "release",
    "{hold_until}", "guarantee", "we deliver",
)  # fmt: skip


@pytest.mark.parametrize("signal_type", TYPES)
def test_no_default_letter_promises_what_nobody_checked(signal_type: SignalType) -> None:
    for step in letters.STEPS[signal_type]:
        said = f"{step.subject} {step.text}".lower().replace("keep it in mind", "")
        assert [promise for promise in PROMISES if promise in said] == []


@pytest.mark.parametrize("signal_type", TYPES)
def test_follow_ups_stay_in_the_thread_and_the_first_says_what_was_confirmed(
    signal_type: SignalType,
) -> None:
    first, *others = letters.STEPS[signal_type]
    assert "\n\n{confirmed}\n\n" in first.text
    assert [step.subject for step in others] == ["", ""]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("about {lapsed}", ["a"]),
        ("about {lapsed} and {all_lapsed}", ["a", "b"]),
        ("about what you need", ["a", "b"]),
    ],
)
def test_an_order_of_a_combo_that_no_letter_names_answers_nothing(
    text: str, named: list[str]
) -> None:
    lapsed = [
        Lapsed(signal="b", od="7", grade="L80", lapsed_revenue_cents=1),
        Lapsed(signal="a", od="5.5", grade="J55", lapsed_revenue_cents=2),
    ]
    assert drafts.named_signals("lapse", ["a", "b"], lapsed, [text]) == named
    assert drafts.named_signals("dormant", ["x"], (), [text]) == ["x"]


@pytest.mark.parametrize(
    ("sent", "usual"),
    [
        (["500 ft", "480 ft", "900 ft"], "500 ft"),
        (["1,500 ft", "1500ft"], "1,500 ft"),
        (["500", "480", "900.5"], "your usual quantity"),
        (["0.2 t", "0.3 t"], "1 t"),
        (["500 ft", "12 joints", "12 joints"], "12 joints"),
        (["one load", "one load", "two loads"], "one load"),
        ([None, " ", None], "your usual quantity"),
        ([], "your usual quantity"),
        (["-5", "NaN"], "your usual quantity"),
    ],
)
def test_a_usual_quantity_has_its_unit_or_is_no_number(sent: list[str | None], usual: str) -> None:
    assert drafts.usual_quantity(sent) == usual


@pytest.mark.parametrize(
    ("day", "count", "then"), [(MONDAY, 14, "2026-12-11"), (date(2026, 11, 27), 1, "2026-11-30")]
)
def test_business_days_leave_out_saturday_and_sunday(day: date, count: int, then: str) -> None:
    assert drafts.business_days_after(day, count).isoformat() == then


def test_a_draft_is_named_after_its_type_and_day() -> None:
    assert drafts.draft_name("lapse", MONDAY) == "Product lapse, 23 Nov"


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (list("abc"), "a, b and c"),
        (list("abcde"), "a, b, c and 2 more"),
    ],
)
def test_lists_are_said_and_cut(items: list[str], said: str) -> None:
    assert drafts.listed(items) == said


# -- text that people write ------------------------------------------------------------------------


def test_a_variable_that_does_not_exist_is_an_error_that_names_it_and_those_that_do() -> None:
    with pytest.raises(Rejected) as caught:
        fill("{lapsed} and {price}, {price}", {"lapsed": "x", "owner": "y"})
    assert str(caught.value) == "text: {price} is no variable; there are {lapsed}, {owner}"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "}",
        "a { b",
        "{owner",
        "owner}",
        "{}",
        "{ owner }",
        "{owner.__class__}",
        "{owner!r}",
        "{0}",
        "{%x%}",
    ],
)
def test_what_is_no_plain_variable_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        check(text, {"owner"})


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hello {name},", "Hello Ana,"),
        ("Hello {nobody},", "Hello,"),
        ("{nobody}{nobody}x", "x"),
        ("{{name}} is {name}", "{name} is Ana"),
        ("{{{name}}}", "{Ana}"),
        ("{braces} {name}", "{name} {{x}} Ana"),
        ("{lines}", "one two"),
        ("", ""),
    ],
)
def test_filling_replaces_once_and_keeps_values_to_one_line(text: str, filled: str) -> None:
    values = {"name": "Ana", "nobody": "", "braces": "{name} {{x}}", "lines": "one\r\ntwo\x00"}
    assert fill(text, values) == filled


def test_the_variables_of_a_text_are_listed_once() -> None:
    assert variables_in("{a} {{b}} {c} {a}") == ["a", "c"]
