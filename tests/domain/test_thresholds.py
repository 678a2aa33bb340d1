"""Settings from people: what is wrong is named, what is left out keeps its value."""

import contextlib
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.thresholds import DEFAULTS, checked
from shared.errors import Rejected


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"lapse": {"history_days": 90}}, "lapse.history_days"),
        ({"lapse": {"lapse_days": 365}}, "lapse.history_days"),
        ({"lapse": {"history_days": 91.0}}, "lapse.history_days"),
        ({"lapse": {"minimum_months": 0}}, "lapse.minimum_months"),
        ({"dormant": {"gap_days": 0}}, "dormant.gap_days"),
        ({"dormant": {"gap_days": True}}, "dormant.gap_days"),
        ({"dormant": {"enabled": "yes"}}, "dormant.enabled"),
        (
            {"dormant": {"minimum_lifetime_revenue_cents": -1}},
            "dormant.minimum_lifetime_revenue_cents",
        ),
        ({"dormant": 5}, "dormant"),
        ({"dormant": {"gap": 5}}, "dormant.gap"),
        ({"cherry_picking": {"share_percent": "100.1"}}, "cherry_picking.share_percent"),
        ({"cherry_picking": {"share_percent": "NaN"}}, "cherry_picking.share_percent"),
        ({"cherry_picking": {"share_percent": 80}}, "cherry_picking.share_percent"),
        ({"cherry_picking": {"minimum_od": "1e2"}}, "cherry_picking.minimum_od"),
        ({"cherry_picking": {"minimum_od": "٦"}}, "cherry_picking.minimum_od"),
        ({"sizes": {"6 SCH 40": "six"}}, "sizes.6 SCH 40"),
        ({"sizes": {"5 1/2": "5__0"}}, "sizes.5 1/2"),
        ({"sizes": {"5 1/2": "5_0"}}, "sizes.5 1/2"),
        ({"sizes": {"5 1/2": "5E0"}}, "sizes.5 1/2"),
        ({"sizes": {"5 1/2": " 5.5"}}, "sizes.5 1/2"),
        ({"sizes": {"5 1/2": "5.0001"}}, "sizes.5 1/2"),
        ({"cherry_picking": {"minimum_od": "6__0"}}, "cherry_picking.minimum_od"),
        ({"cherry_picking": {"share_percent": "8_0"}}, "cherry_picking.share_percent"),
        ({"sizes": []}, "sizes"),
        ({"grade_aliases": {"": "B"}}, "grade_aliases."),
        ({"colour": 1}, "colour"),
        ([], "settings"),
    ],
)
def test_a_value_that_cannot_be_is_named(patch: object, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        checked(patch)
    assert [error.field for error in refused.value.errors] == [field]


def test_keys_left_out_keep_their_value_and_tables_are_replaced_whole() -> None:
    first = checked({"dormant": {"gap_days": 120}, "sizes": {"6 SCH 40": "6.625"}})
    second = checked({"dormant": {"minimum_lifetime_revenue_cents": 5}, "sizes": {"X": "7"}}, first)
    assert (
        second.dormant.gap_days,
        second.dormant.minimum_lifetime_revenue_cents,
        second.sizes,
    ) == (120, 5, {"X": "7"})
    assert checked({}) == DEFAULTS


@given(st.text(alphabet="0159_.+-eE \u0665", max_size=18))
def test_every_reader_of_numbers_reads_what_passes_the_door_alike(text: str) -> None:
    for patch in (
        {"cherry_picking": {"minimum_od": text}},
        {"cherry_picking": {"share_percent": text}},
        {"sizes": {"taught": text}},
    ):
        with contextlib.suppress(Rejected):
            checked(patch)
            assert Decimal(text) == Fraction(text)
            assert not set(text) - set("0123456789.+")
