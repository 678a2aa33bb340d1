"""Reading signals back, as the command line, the HTTP interface and the pages show them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from shared import db

SIGNALS = """
SELECT
    s.signal,
    s.account,
    s.type,
    s.od,
    s.grade,
    s.detected_at,
    s.last_seen_at,
    s.recovered_at,
    s.resolution,
    s.episode,
    s.opened_on,
    s.as_of,
    s.settings_version,
    s.figures,
    (
        SELECT jsonb_agg(
            jsonb_build_array(e.opened_on, e.closed_on, e.closed_at, e.resolution)
            ORDER BY e.episode
        )
        FROM episodes e
        WHERE e.organization = s.organization
          AND e.signal = s.signal
    )
FROM signals s
WHERE s.organization = %(organization)s
  AND (NOT %(active)s OR s.recovered_at IS NULL)
  AND (%(account)s::text IS NULL OR s.account = %(account)s)
  AND (%(types)s::text[] IS NULL OR s.type = ANY(%(types)s))
  AND (%(after)s::text IS NULL OR s.signal > %(after)s)
"""

BY_ACCOUNT = "ORDER BY s.account, s.type, s.od NULLS FIRST, s.grade NULLS FIRST"
BY_ID = "ORDER BY s.signal LIMIT %(limit)s"

Signal = dict[str, Any]


def signals(
    connection: db.Connection,
    organization: str,
    *,
    active: bool = False,
    account: str | None = None,
    types: Sequence[str] | None = None,
) -> Iterator[Signal]:
    """Each as the interface has it (`docs`: a signal as JSON), by account."""
    filters = _filters(organization, active, account, types)
    for row in connection.execute(SIGNALS + BY_ACCOUNT, filters):
        yield _signal(organization, row)


def page_of_signals(
    connection: db.Connection,
    organization: str,
    *,
    after: str | None,
    limit: int,
    active: bool = False,
    account: str | None = None,
    types: Sequence[str] | None = None,
) -> list[Signal]:
    """Up to `limit` signals whose id comes after `after`, by id."""
    filters = _filters(organization, active, account, types) | {"after": after, "limit": limit}
    return [_signal(organization, row) for row in connection.execute(SIGNALS + BY_ID, filters)]


def _filters(
    organization: str, active: bool, account: str | None, types: Sequence[str] | None
) -> dict[str, Any]:
    return {
        "organization": organization,
        "active": active,
        "account": account,
        "types": list(types) if types else None,
        "after": None,
    }


def _signal(organization: str, row: Sequence[Any]) -> Signal:
    (
        signal, account, type_, od, grade, detected_at, last_seen_at, recovered_at, resolution,
        episode, opened_on, as_of, settings_version, figures, episodes,
    ) = row  # fmt: skip
    found: Signal = {
        "signal": signal,
        "organization": organization,
        "account": account,
        "type": type_,
        "detected_at": _at(detected_at),
        "last_seen_at": _at(last_seen_at),
        "recovered_at": _at(recovered_at),
        "resolution": resolution,
        "episode": episode,
        "opened_on": opened_on.isoformat(),
        "as_of": as_of.isoformat(),
        "settings_version": settings_version,
        "figures": figures,
        "episodes": [
            {
                "opened_on": opened,
                "closed_on": closed,
                "closed_at": _at(datetime.fromisoformat(closed_at)) if closed_at else None,
                "resolution": why,
            }
            for opened, closed, closed_at, why in episodes or []
        ],
    }
    if type_ == "lapse":
        found["combo"] = {"od": od, "grade": grade}
    return found


def _at(at: datetime | None) -> str | None:
    """As JSON has it: UTC with a Z, fractions of a second only where there are any."""
    if at is None:
        return None
    return (
        at.astimezone(UTC)
        .isoformat(timespec="milliseconds" if at.microsecond else "seconds")
        .replace("+00:00", "Z")
    )
