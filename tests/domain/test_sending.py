"""How an organization sends: what may be said, field by field."""

from typing import Any

import pytest

from shared.domain.sending import DEFAULTS, changed, read_domain
from shared.errors import Rejected


def test_what_is_left_out_keeps_its_value() -> None:
    found = changed(DEFAULTS, {"replies": "by_hand", "closing_days": ["2026-12-24"]})
    assert (found.replies, found.sender_daily) == ("by_hand", 40)
    assert changed(found, {}) == found


@pytest.mark.parametrize(
    ("patch", "fields"),
    [
        ([], ["settings"]),
        ({"nothing": 1}, ["nothing"]),
        ({"sender_daily": 0}, ["sender_daily"]),
        ({"sender_daily": "40"}, ["sender_daily"]),
        ({"sender_daily": True}, ["sender_daily"]),
        ({"replies": "window", "to_hour": 25}, ["replies", "to_hour"]),
        ({"from_hour": 17, "to_hour": 17}, ["to_hour"]),
        ({"gap_least_seconds": 500}, ["gap_most_seconds"]),
        ({"country": "usa"}, ["country"]),
        ({"region": "TX"}, ["region"]),
        ({"closing_days": ["soon"]}, ["closing_days"]),
        ({"postal_address": "x" * 501}, ["postal_address"]),
        ({"postal_address": "1 Road\x00"}, ["postal_address"]),
    ],
)
def test_each_field_that_is_wrong_is_named(patch: Any, fields: list[str]) -> None:
    with pytest.raises(Rejected) as refused:
        changed(DEFAULTS, patch)
    assert [error.field for error in refused.value.errors] == fields


@pytest.mark.parametrize("text", ["", "localhost", "a b.example", "ex\nample.com", "-x.example"])
def test_a_domain_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        read_domain(text)


def test_a_domain_is_read_as_people_write_it() -> None:
    assert read_domain(" @Example.COM. ") == "example.com"
