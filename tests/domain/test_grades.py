"""Cases of product.md 1, *Grade*."""

import pytest

from shared.domain.grades import TaughtGrades, read_grade

CASES = [
    ("J-55", "J55"),
    ("J 55", "J55"),
    ("j55", "J55"),
    ("J_55", "J55"),
    ("J - 55", "J55"),
    ("J./55", "J55"),
    ("L80 13Cr", "L80-13CR"),
    ("L-80 13Cr", "L80-13CR"),
    ("l80/13cr", "L80-13CR"),
    ("Gr. B", "GR-B"),
    ("-B-", "B"),
    ("P110", "P110"),
    ("13Cr-80", "13CR-80"),
    ("X-52-M", "X52-M"),
    ("HC-Q-125", "HC-Q-125"),
    ("J\u00a055", "J55"),
    ("straße", "STRAßE"),  # upper case is ASCII's alone
    ("é-1", "é-1"),
    ("L–80", "L80"),
    ("L‑80", "L80"),
    ("L\u221280", "L80"),
    ("L\u00ad80", "L80"),
    ("Ｌ８０", "L80"),
    ("ｌ－８０　１３Ｃｒ", "L80-13CR"),
    ("L80\u200913Cr", "L80-13CR"),
    ("L80⁄13Cr", "L80-13CR"),
    ("\u200bL\u206080\ufeff", "L80"),
    ("Grade “B”", 'GRADE-"B"'),
    ("X52½", "X52½"),
    ("Ⅼ80", "Ⅼ80"),  # a Roman numeral is no letter that was meant otherwise
]


@pytest.mark.parametrize(("text", "grade"), CASES)
def test_a_grade_is_read(text: str, grade: str) -> None:
    assert read_grade(text, {}) == grade


@pytest.mark.parametrize("text", [None, "", "  ", "-", " ./_- ", "–", "\u3000", "\u200b"])
def test_nothing_is_no_grade(text: str | None) -> None:
    assert read_grade(text, {"GR-B": "B"}) is None


@pytest.mark.parametrize("text", ["Gr. B", "gr b", "GR-B", "Gr.B", "Ｇｒ–Ｂ"])
def test_aliases_are_read_by_the_same_rule_on_both_sides(text: str) -> None:
    for aliases in ({"GR-B": "B"}, {"gr. b": "b"}, TaughtGrades({"gr_b": "-b"}), {"Gr‑Ｂ": "Ｂ"}):
        assert read_grade(text, aliases) == "B"


def test_an_alias_is_not_followed_twice() -> None:
    assert read_grade("A", {"A": "B", "B": "C"}) == "B"


def test_two_keys_that_are_one_are_read_the_same_in_any_order() -> None:
    assert read_grade("J55", {"J-55": "K55", "J55": "N80"}) == read_grade(
        "J55", {"J55": "N80", "J-55": "K55"}
    )
