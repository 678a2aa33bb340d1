"""Spellings of what looks like one grade, and who went from one to another."""

from datetime import date, timedelta

import pytest

from shared.domain.grades import plain_grade
from shared.domain.look_alikes import Proposal, Span, Switch, look_alikes, proposals

DAY = date(2026, 3, 1)


def span(account: str, grade: str, first: int, last: int) -> Span:
    return Span(
        account=account,
        grade=grade,
        first_on=DAY + timedelta(days=first),
        last_on=DAY + timedelta(days=last),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("N80-Q", "N80Q"), ("L80 13Cr", "13Cr L80"), ("L80-13Cr", "L80 13-CR"), ("P110", "P11O")),
        *(("GR. B", "B"), ("Grade B", "Gr B"), ("API 5CT J55", "J-55"), ("Р110", "P110")),
        *(("L80 Type 1", "L80-1"), ("L80-CR13", "L80 13CR"), ("5L X52", "X-52")),
    ],
)
def test_these_look_like_one_grade(one: str, other: str) -> None:
    found = frozenset((plain_grade(one), plain_grade(other)))
    assert look_alikes(found) == [found]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("J55", "K55"), ("L80", "L80-13CR"), ("N80-1", "N80-Q"), ("P110", "P110-HC")),
        *(("X52", "X65"), ("B", "X"), ("GR", "GRADE"), ("P110", "Q125"), ("T95-1", "T95-2")),
    ],
)
def test_these_do_not(one: str, other: str) -> None:
    assert look_alikes((plain_grade(one), plain_grade(other))) == []


def test_likeness_joins_what_is_alike_over_a_third() -> None:
    assert look_alikes(("L80-13CR", "13CR-L80", "L8013CR", "J55")) == [
        frozenset(("L80-13CR", "13CR-L80", "L8013CR"))
    ]


def test_an_account_that_switches_its_spelling_proposes_an_alias_to_the_usual_one() -> None:
    found = proposals(
        [
            span("A", "N80-Q", 0, 50),
            span("A", "N80Q", 60, 90),
            span("B", "N80-Q", 0, 90),
            span("C", "N80-Q", 0, 90),
            span("A", "J55", 0, 90),
        ]
    )
    assert found == [
        Proposal(
            spelling="N80Q",
            grade="N80-Q",
            switches=(
                Switch(
                    account="A",
                    old="N80-Q",
                    until=DAY + timedelta(days=50),
                    new="N80Q",
                    since=DAY + timedelta(days=60),
                ),
            ),
        )
    ]


def test_between_two_that_are_as_usual_the_newer_counts() -> None:
    (found,) = proposals([span("A", "N80-Q", 0, 5), span("A", "N80Q", 6, 9)])
    assert (found.spelling, found.grade) == ("N80-Q", "N80Q")


def test_switches_to_and_fro_are_one_proposal() -> None:
    found = proposals(
        [
            *(span("A", "N80-Q", 0, 5), span("A", "N80Q", 6, 9)),
            *(span("B", "N80Q", 0, 5), span("B", "N80-Q", 6, 9)),
        ]
    )
    assert len(found) == 1


def test_who_buys_both_at_a_time_has_switched_nothing() -> None:
    assert proposals([span("A", "N80-Q", 0, 60), span("A", "N80Q", 60, 90)]) == []
    assert proposals([span("A", "N80-Q", 0, 5), span("B", "N80Q", 6, 9)]) == []
