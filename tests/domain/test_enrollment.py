"""Who is in: No, then Lost, then a pause, then Yes, then Auto (product.md 4)."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.enrollment import INCLUDED, Enrollment, Inclusion, inclusion

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
LOST = NOW - timedelta(days=3)
PAUSED = NOW + timedelta(days=3)


@pytest.mark.parametrize(
    ("enrollment", "lost_at", "paused_until", "expected", "is_in"),
    [
        ("no", LOST, PAUSED, "pinned_out", False),
        ("no", None, None, "pinned_out", False),
        ("yes", LOST, PAUSED, "lost", False),
        ("auto", LOST, None, "lost", False),
        ("yes", None, PAUSED, "paused", False),
        ("auto", None, PAUSED, "paused", False),
        ("auto", None, NOW, "by_signal", True),  # the pause ends at that moment
        ("auto", None, NOW + timedelta(microseconds=1), "paused", False),
        ("yes", None, NOW - timedelta(days=1), "always", True),
        ("yes", None, None, "always", True),
        ("auto", None, None, "by_signal", True),
    ],
)
def test_the_first_that_is_true_decides(
    enrollment: Enrollment,
    lost_at: datetime | None,
    paused_until: datetime | None,
    expected: Inclusion,
    is_in: bool,
) -> None:
    found = inclusion(enrollment=enrollment, lost_at=lost_at, paused_until=paused_until, at=NOW)

    assert found == expected
    assert (found in INCLUDED) is is_in
