"""Schedules and their firings. A slot's key is its moment: two clocks fire it once.

A slot is open until its digest's ticks are out (ticked_at) or it is given up (dropped). A nightly
slot asks for a run and is done.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from psycopg.rows import class_row

from shared import db
from shared.domain.cadence import Schedule
from shared.ids import derived

Kind = Literal["nightly", "digest"]

SCHEDULES = """
SELECT
    s.organization,
    s.kind,
    s.frequency,
    s.hour,
    s.anchor_on,
    o.timezone,
    s.since,
    (
        SELECT max(slot_at)
        FROM slots
        WHERE organization = s.organization
          AND kind = s.kind
    )
FROM schedules s
JOIN organizations o USING (organization)
ORDER BY s.organization, s.kind DESC
"""

INSERT_SLOT = """
INSERT INTO slots (organization, kind, slot_at, fired_at, ticked_at, dropped)
VALUES (%(organization)s, %(kind)s, %(slot_at)s, %(fired_at)s, %(ticked_at)s, %(dropped)s)
ON CONFLICT DO NOTHING
"""

SET_RUN = """
UPDATE slots
SET run = %(run)s
WHERE organization = %(organization)s
  AND kind = %(kind)s
  AND slot_at = %(slot_at)s
"""

OPEN_SLOTS = """
SELECT
    s.organization,
    s.slot_at,
    s.fired_at,
    s.run,
    s.heartbeat_at,
    r.completed_at,
    r.published_at,
    r.held_back
FROM slots s
LEFT JOIN runs r ON r.organization = s.organization AND r.number = s.run
WHERE s.kind = 'digest'
  AND s.ticked_at IS NULL
  AND s.dropped IS NULL
  AND (r.completed_at IS NOT NULL OR s.fired_at <= %s)
ORDER BY s.slot_at, s.organization
LIMIT 1000
"""

SET_TICKED = """
UPDATE slots
SET ticked_at = %(at)s
WHERE organization = %(organization)s
  AND kind = 'digest'
  AND slot_at = %(slot_at)s
"""

SET_HEARTBEAT = """
UPDATE slots
SET heartbeat_at = %(at)s,
    why = %(why)s
WHERE organization = %(organization)s
  AND kind = 'digest'
  AND slot_at = %(slot_at)s
"""

SET_DROPPED = """
UPDATE slots
SET dropped = %(why)s
WHERE organization = %(organization)s
  AND kind = 'digest'
  AND slot_at = %(slot_at)s
"""

INSERT_SCHEDULE = """
INSERT INTO schedules (organization, kind, frequency, hour, anchor_on, since)
VALUES (%(organization)s, %(kind)s, %(frequency)s, %(hour)s, %(anchor_on)s, %(since)s)
ON CONFLICT (organization, kind) DO UPDATE SET
    frequency = excluded.frequency,
    hour = excluded.hour,
    anchor_on = excluded.anchor_on,
    since = excluded.since
"""

DIGEST_SCHEDULE = """
SELECT
    s.frequency,
    s.hour,
    s.anchor_on,
    o.timezone,
    s.since
FROM schedules s
JOIN organizations o USING (organization)
WHERE s.organization = %s
  AND s.kind = 'digest'
"""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One schedule, and when it fired last."""

    organization: str
    kind: Kind
    schedule: Schedule
    last_slot_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class OpenSlot:
    """A digest's slot whose ticks are not out; `run` with what is known of it."""

    organization: str
    slot_at: datetime
    fired_at: datetime
    run: int | None
    heartbeat_at: datetime | None
    completed_at: datetime | None
    published_at: datetime | None
    held_back: str | None

    @property
    def slot(self) -> str:
        """The slot's id: a digest goes out once for it."""
        return derived("slot", self.organization, "digest", self.slot_at.isoformat())

    @property
    def heartbeat_slot(self) -> str:
        """The id of the heartbeat that says why there is no digest: another one, so that the digest
        can still follow.
        """
        return derived("slot", self.organization, "digest", self.slot_at.isoformat(), "heartbeat")


def planned(connection: db.Connection) -> list[Planned]:
    """All schedules; of one organization the nightly run comes before its digest."""
    rows = connection.execute(SCHEDULES)
    return [
        Planned(
            organization=organization,
            kind=kind,
            schedule=Schedule(
                frequency=frequency, hour=hour, anchor_on=anchor_on, timezone=timezone, since=since
            ),
            last_slot_at=last_slot_at,
        )
        for organization, kind, frequency, hour, anchor_on, timezone, since, last_slot_at in rows
    ]


def fire(
    connection: db.Connection,
    organization: str,
    kind: Kind,
    slot_at: datetime,
    *,
    fired_at: datetime,
    dropped: str | None,
) -> bool:
    """Take a slot. False: another clock was faster."""
    return (
        connection.execute(
            INSERT_SLOT,
            {
                "organization": organization,
                "kind": kind,
                "slot_at": slot_at,
                "fired_at": fired_at,
                "ticked_at": fired_at if kind == "nightly" else None,
                "dropped": dropped,
            },
        ).rowcount
        == 1
    )


def set_run(
    connection: db.Connection, organization: str, kind: Kind, slot_at: datetime, run: int
) -> None:
    """The run that the slot asked for."""
    connection.execute(
        SET_RUN, {"organization": organization, "kind": kind, "slot_at": slot_at, "run": run}
    )


def open_slots(connection: db.Connection, *, late_at: datetime) -> list[OpenSlot]:
    """Digest slots with something to do: their run is complete, or they fired
    at or before `late_at`.
    """
    with connection.cursor(row_factory=class_row(OpenSlot)) as cursor:
        return cursor.execute(OPEN_SLOTS, (late_at,)).fetchall()


def set_ticked(connection: db.Connection, slot: OpenSlot, *, at: datetime) -> None:
    """The digest's ticks are in Kafka."""
    connection.execute(
        SET_TICKED, {"organization": slot.organization, "slot_at": slot.slot_at, "at": at}
    )


def set_heartbeat(connection: db.Connection, slot: OpenSlot, *, at: datetime, why: str) -> None:
    """The heartbeat's tick is in Kafka."""
    connection.execute(
        SET_HEARTBEAT,
        {"organization": slot.organization, "slot_at": slot.slot_at, "at": at, "why": why},
    )


def drop(connection: db.Connection, slot: OpenSlot, why: str) -> None:
    """The digest of this slot goes out no more."""
    connection.execute(
        SET_DROPPED, {"organization": slot.organization, "slot_at": slot.slot_at, "why": why}
    )


def digest_schedule(connection: db.Connection, organization: str) -> Schedule | None:
    """When the organization's digest fires."""
    row = connection.execute(DIGEST_SCHEDULE, (organization,)).fetchone()
    if row is None:
        return None
    frequency, hour, anchor_on, timezone, since = row
    return Schedule(
        frequency=frequency, hour=hour, anchor_on=anchor_on, timezone=timezone, since=since
    )


def set_schedule(
    connection: db.Connection,
    organization: str,
    kind: Kind,
    *,
    frequency: str,
    hour: int,
    anchor_on: date,
    since: datetime,
) -> None:
    """Make or change a schedule; nothing that lies at or before `since` fires."""
    connection.execute(
        INSERT_SCHEDULE,
        {
            "organization": organization,
            "kind": kind,
            "frequency": frequency,
            "hour": hour,
            "anchor_on": anchor_on,
            "since": since,
        },
    )
