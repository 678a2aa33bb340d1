"""Changing an organization's detection settings: check, compare, keep a version, ask for the run
that applies it.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from services.signals.actions import runs as asking
from services.signals.actions.actor import Actor, must_govern, note
from services.signals.store import organizations, run_requests, settings
from shared import clock, db
from shared.domain.thresholds import DetectionSettings, checked


@dataclass(frozen=True, kw_only=True)
class Change:
    """One setting by its dotted name; None where a row of a table is not there."""

    key: str
    old: Any
    new: Any


@dataclass(frozen=True, kw_only=True)
class Saved:
    """`version` counts now (or would, in a dry run); `run` is the one asked for."""

    version: int
    changes: list[Change]
    run: int | None


def save(
    connection: db.Connection,
    organization: str,
    patch: Any,
    *,
    by: Actor,
    run: bool = False,
    dry_run: bool = False,
) -> Saved:
    """A new version, if `patch` (decoded JSON) changes anything. Raises Rejected with every field
    that is wrong, Forbidden, NotFound.

    The run is for today, or for the latest run's day where that is later; without schedules always
    for the latter, if any.
    """
    must_govern(by)
    timezone = organizations.lock(connection, organization)
    version, current = settings.latest(connection, organization)
    wanted = checked(patch, current)
    changes = changes_between(current, wanted)
    if dry_run:
        return Saved(version=version + bool(changes), changes=changes, run=None)
    now = clock.now()
    if changes:
        version += 1
        settings.save(connection, organization, version, wanted, saved_at=now, saved_by=by.name)
        detail = {change.key: {"from": change.old, "to": change.new} for change in changes}
        note(connection, organization, by, "changed", "settings", detail, at=now)
    number = None
    if run:
        day = run_requests.day_for(connection, organization, clock.today(timezone))
        if not settings.has_schedules(connection, organization):
            day = run_requests.latest_day(connection, organization) or day
        number = run_requests.request(
            connection, organization, as_of=day, reason="settings", requested_at=now
        )
        if not changes:
            asking.note_asked(connection, organization, by, number, day)
    return Saved(version=version, changes=changes, run=number)


def changes_between(old: DetectionSettings, new: DetectionSettings) -> list[Change]:
    """Every setting, and every row of a table, that differs."""
    before, after = _flat(old), _flat(new)
    return [
        Change(key=key, old=before.get(key), new=after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _flat(settings_: DetectionSettings) -> dict[str, Any]:
    return {
        f"{section}.{name}": value
        for section, rows in msgspec.to_builtins(settings_).items()
        for name, value in rows.items()
    }
