"""What keeps a letter back at its final dot, one thing at a time, and in which order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.last_word import SUPPRESSED, Facts, refusal

NOW = datetime(2026, 11, 24, 16, tzinfo=UTC)
RIGHT = Facts(
    state="active", sequence_state="launched", email="Ana@x.example", email_now="ana@X.example",
    suppressed=None, enrollment="auto", lost_at=None, paused_until=None, open_signals=1,
    named_signals=1,
)  # fmt: skip


def test_what_is_as_it_was_leaves() -> None:
    assert refusal(RIGHT, at=NOW) is None
    assert refusal(replace(RIGHT, enrollment="yes", paused_until=NOW), at=NOW) is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"state": "stopped"}, "closed"),
        ({"state": "enrolled"}, "closed"),
        ({"suppressed": "unsubscribed"}, "opted_out"),
        ({"suppressed": "undeliverable"}, "bounced"),
        ({"suppressed": "imported"}, "removed"),
        ({"email_now": None}, "contact_changed"),
        ({"email_now": "other@x.example"}, "contact_changed"),
        ({"open_signals": 0}, "reordered"),
        ({"named_signals": 3, "open_signals": 2}, "reordered"),
        ({"enrollment": "no"}, "pinned"),
        ({"lost_at": NOW}, "lost"),
        ({"paused_until": NOW + timedelta(seconds=1)}, "reached_out"),
        ({"sequence_state": "archived"}, "archived"),
        ({"sequence_state": "paused"}, "sequence_paused"),
        ({"sequence_state": "draft"}, "sequence_paused"),
        ({"state": "stopped", "suppressed": "opted_out", "enrollment": "no"}, "closed"),
    ],
)
def test_one_thing_that_changed_keeps_it_back(changed: dict[str, Any], reason: str) -> None:
    assert refusal(replace(RIGHT, **changed), at=NOW) == reason


def test_every_reason_for_refusing_an_address_stops_with_one_of_ours() -> None:
    assert set(SUPPRESSED.values()) == {"opted_out", "complained", "bounced", "removed"}
