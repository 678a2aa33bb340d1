"""How many letters leave, and how soon after each other: caps over rolling windows, counted by what
was really handed over, and a pause between two of one sender.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.domain.business_days import share
from shared.domain.sending import SendingSettings

DAY = timedelta(hours=24)
HOUR = timedelta(hours=1)

Cap = Literal["sender_daily", "sender_hourly", "organization_daily", "domain_daily", "gap"]


@dataclass(frozen=True, kw_only=True)
class Left:
    """A letter that left, or is about to."""

    at: datetime
    sender: str
    domain: str


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Why a letter does not leave yet. used, of: what the cap counts; of a pause nothing."""

    cap: Cap
    until: datetime
    used: int = 0
    of: int = 0


class Load:
    """What an organization sent in the last 24 hours."""

    def __init__(self) -> None:
        self._organization: list[datetime] = []
        self._senders: dict[str, list[datetime]] = defaultdict(list)
        self._domains: dict[str, list[datetime]] = defaultdict(list)

    def add(self, one: Left) -> None:
        """It counts from now on."""
        for times in (
            self._organization,
            self._senders[one.sender],
            self._domains[one.domain],
        ):
            insort(times, one.at)

    def wait(
        self,
        *,
        sender: str,
        domain: str,
        now: datetime,
        limits: SendingSettings,
        sending_days: int,
        seed: str,
    ) -> Wait | None:
        """None: it may leave now. Else what holds it longest. sending_days: days before today on
        which the sender has sent.
        """
        of_sender = self._senders[sender]
        daily = min(
            limits.sender_daily, limits.new_sender_daily + limits.new_sender_step * sending_days
        )
        waits = [
            _capped("sender_daily", of_sender, DAY, daily, now),
            _capped("sender_hourly", of_sender, HOUR, limits.sender_hourly, now),
            _capped("domain_daily", self._domains[domain], DAY, limits.domain_daily, now),
            _capped("organization_daily", self._organization, DAY, limits.organization_daily, now),
            _gap(of_sender, limits, now, seed),
        ]
        return max(filter(None, waits), key=lambda one: one.until, default=None)


def _capped(
    cap: Cap, times: list[datetime], window: timedelta, of: int, now: datetime
) -> Wait | None:
    """`times` in order. It may leave once fewer than `of` are inside the window."""
    inside = times[bisect_right(times, now - window) :]
    if len(inside) < of:
        return None
    return Wait(cap=cap, until=inside[len(inside) - of] + window, used=len(inside), of=of)


def _gap(times: list[datetime], limits: SendingSettings, now: datetime, seed: str) -> Wait | None:
    if not times:
        return None
    spread = limits.gap_most_seconds - limits.gap_least_seconds
    until = times[-1] + timedelta(seconds=limits.gap_least_seconds + share(seed) * spread)
    return Wait(cap="gap", until=until) if until > now else None
