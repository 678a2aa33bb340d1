"""Caps and pauses between letters, held against a simulation that only counts."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.pacing import DAY, HOUR, Left, Load
from shared.domain.sending import DEFAULTS, SendingSettings

NOW = datetime(2026, 11, 24, 16, tzinfo=UTC)
LIMITS = st.builds(
    SendingSettings,
    sender_daily=st.integers(1, 8),
    sender_hourly=st.integers(1, 4),
    organization_daily=st.integers(1, 12),
    domain_daily=st.integers(1, 5),
    new_sender_daily=st.integers(1, 8),
    new_sender_step=st.integers(0, 3),
    gap_least_seconds=st.integers(0, 300),
    gap_most_seconds=st.integers(300, 900),
)


@given(
    LIMITS,
    st.integers(0, 3),
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x.example", "y.example"])),
             min_size=1, max_size=40),
)  # fmt: skip
def test_no_window_ever_holds_more_than_its_cap(
    limits: SendingSettings, sending_days: int, wanted: list[tuple[str, str]]
) -> None:
    load, left, now = Load(), list[Left](), NOW
    for number, (sender, domain) in enumerate(wanted):
        for _ in range(200):
            wait = load.wait(
                sender=sender, domain=domain, now=now, limits=limits, sending_days=sending_days,
                seed=str(number),
            )  # fmt: skip
            if wait is None:
                break
            assert wait.until > now, "it says a moment that comes"
            now = wait.until
        else:
            raise AssertionError("it never leaves")
        one = Left(at=now, sender=sender, domain=domain)
        load.add(one)
        left.append(one)
    daily = min(
        limits.sender_daily, limits.new_sender_daily + limits.new_sender_step * sending_days
    )
    for end in left:
        of_day = [one for one in left if end.at - DAY < one.at <= end.at]
        mine = [one for one in of_day if one.sender == end.sender]
        assert len(of_day) <= limits.organization_daily
        assert len(mine) <= daily
        assert len([one for one in mine if one.at > end.at - HOUR]) <= limits.sender_hourly
        assert len([one for one in of_day if one.domain == end.domain]) <= limits.domain_daily
    for sender in "ab":
        times = [one.at for one in left if one.sender == sender]
        assert all(
            later - earlier >= timedelta(seconds=limits.gap_least_seconds)
            for earlier, later in pairwise(times)
        )


def test_a_wait_says_what_is_used_of_what_and_until_when() -> None:
    load = Load()
    for minute in range(10):
        load.add(Left(at=NOW - timedelta(minutes=600 - minute), sender="dk", domain=f"{minute}.x"))
    wait = load.wait(
        sender="dk", domain="new.example", now=NOW, limits=DEFAULTS, sending_days=0, seed=""
    )
    assert wait is not None and (wait.cap, wait.used, wait.of) == ("sender_daily", 10, 10)
    assert wait.until == NOW - timedelta(minutes=600) + DAY
    assert (
        load.wait(
            sender="rs", domain="new.example", now=NOW, limits=DEFAULTS, sending_days=0, seed=""
        )
        is None
    )
    assert (
        load.wait(
            sender="dk", domain="new.example", now=NOW, limits=DEFAULTS, sending_days=1, seed=""
        )
        is None
    ), "a sender that sent on an earlier day may send more"
