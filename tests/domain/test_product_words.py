"""Products as people type them."""

import pytest

from shared.domain.grades import TaughtGrades
from shared.domain.product_words import product_words
from shared.domain.sizes import TaughtSizes

ODS = {"9.625", "5.5", "2.375", "9", "6.625"}
GRADES = {"P110", "J55", "L80", "L80-13CR", "B"}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("9 5/8 P110", ("9.625", "P110", ())),
        ('p-110 9-5/8"', ("9.625", "P110", ())),
        ("9 5/8", ("9.625", None, ())),
        ("9", ("9", None, ())),
        ("casing 9 5/8 in P 110", ("9.625", "P110", ("casing",))),
        ("tubing 2 3/8 L80 13Cr", ("2.375", "L80-13CR", ("tubing",))),
        ("NPS 6 grade b", ("6.625", "B", ())),
        ("six schedule forty", ("6.625", None, ())),
        ("7 Q125", (None, None, ("7", "Q125"))),
        ("casing", (None, None, ("casing",))),
        ("P11", (None, None, ("P11",))),
        ("  ", (None, None, ())),
    ],
)
def test_sizes_and_grades_are_found_among_the_words(
    typed: str, expected: tuple[str | None, str | None, tuple[str, ...]]
) -> None:
    found = product_words(
        typed,
        ods=ODS,
        grades=GRADES,
        sizes=TaughtSizes({"six schedule forty": "6.625"}),
        aliases=TaughtGrades({"GRADE B": "B"}),
    )
    assert (found.od, found.grade, found.rest) == expected
