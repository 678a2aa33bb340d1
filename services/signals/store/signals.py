"""Signals and their episodes, as the detector's events say.

Guard: a row knows the offset in `orders` of the record behind its last event and ignores every
event that is not newer. The detector can say a thing twice (it was killed between saying and
remembering), a frozen one can say it late; neither shows.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from services.signals.store import Staging
from shared import db
from shared.events import Figures, SignalEvent, SignalOpened, SignalRecovered, SignalSeen

STAGED = Staging(
    "staged_signals",
    [
        ("round", "int4"),
        ("organization", "text"),
        ("signal", "text"),
        ("recovered", "bool"),
        ("account", "text"),
        ("type", "text"),
        ("od", "text"),
        ("grade", "text"),
        ("episode", "int4"),
        ("opened_on", "date"),
        ("at", "timestamptz"),
        ("source_offset", "int8"),
        ("opened", "bool"),
        ("run", "int4"),
        ("as_of", "date"),
        ("settings_version", "int4"),
        ("lifetime_revenue_cents", "int8"),
        ("figures", "text"),
        ("closed_on", "date"),
        ("resolution", "text"),
        ("recovered_by", "text"),
    ],
)

# Opened and seen say the same of the row: it is active, with these figures.
MERGE_ACTIVE = """
INSERT INTO signals (
    organization, signal, account, type, od, grade, detected_at, last_seen_at, episode, opened_on,
    as_of, settings_version, run, lifetime_revenue_cents, figures, source_offset
)
SELECT
    organization, signal, account, type, od, grade, at, at, episode, opened_on,
    as_of, settings_version, run, lifetime_revenue_cents, figures::jsonb, source_offset
FROM staged_signals
WHERE round = %s
  AND NOT recovered
ON CONFLICT (organization, signal) DO UPDATE SET
    last_seen_at = greatest(signals.last_seen_at, excluded.last_seen_at),
    recovered_at = NULL,
    resolution = NULL,
    recovered_by = NULL,
    episode = excluded.episode,
    opened_on = excluded.opened_on,
    as_of = excluded.as_of,
    settings_version = excluded.settings_version,
    run = excluded.run,
    lifetime_revenue_cents = excluded.lifetime_revenue_cents,
    figures = excluded.figures,
    source_offset = excluded.source_offset
WHERE signals.source_offset < excluded.source_offset
"""

# Figures and as_of stay those of the last run that saw it.
MERGE_RECOVERED = """
UPDATE signals s
SET recovered_at = e.at,
    resolution = e.resolution,
    recovered_by = e.recovered_by,
    source_offset = e.source_offset
FROM staged_signals e
WHERE e.round = %s
  AND e.recovered
  AND s.organization = e.organization
  AND s.signal = e.signal
  AND s.source_offset < e.source_offset
"""

OPEN_EPISODES = """
INSERT INTO episodes (organization, signal, episode, opened_on, opened_at)
SELECT
    organization, signal, episode, opened_on, at
FROM staged_signals
WHERE round = %s
  AND opened
ON CONFLICT DO NOTHING
"""

# The signal's row still has the figures of the last run that saw it.
CLOSE_EPISODES = """
UPDATE episodes p
SET closed_on = e.closed_on,
    closed_at = e.at,
    resolution = e.resolution,
    recovered_by = e.recovered_by,
    figures = s.figures
FROM staged_signals e
JOIN signals s USING (organization, signal)
WHERE e.round = %s
  AND e.recovered
  AND p.organization = e.organization
  AND p.signal = e.signal
  AND p.episode = e.episode
  AND p.closed_at IS NULL
"""


# Signals can be here before the orders that they are about.
CREATE_ACCOUNTS = """
INSERT INTO accounts (organization, account)
SELECT DISTINCT
    organization,
    account
FROM staged_signals
ORDER BY organization, account
ON CONFLICT DO NOTHING
"""

# What is at stake on an account is its A, or else the sum of the others (product.md 5).
COUNT_ON_ACCOUNTS = """
UPDATE accounts a
SET dormant = c.dormant,
    lapse = c.lapse,
    cherry_picking = c.cherry_picking,
    at_stake_cents = c.at_stake_cents
FROM (
    SELECT
        t.organization,
        t.account,
        count(*) FILTER (WHERE s.type = 'dormant') AS dormant,
        count(*) FILTER (WHERE s.type = 'lapse') AS lapse,
        count(*) FILTER (WHERE s.type = 'cherry_picking') AS cherry_picking,
        saturated(coalesce(
            max((s.figures ->> 'last_year_revenue_cents')::bigint)
                FILTER (WHERE s.type = 'dormant'),
            sum(
                coalesce(
                    s.figures ->> 'lapsed_revenue_cents', s.figures ->> 'estimated_upside_cents'
                )::bigint
            ),
            0
        )) AS at_stake_cents
    FROM (SELECT DISTINCT organization, account FROM staged_signals) t
    LEFT JOIN signals s
        ON s.organization = t.organization
       AND s.account = t.account
       AND s.recovered_at IS NULL
    GROUP BY t.organization, t.account
) c
WHERE a.organization = c.organization
  AND a.account = c.account
  AND (a.dormant, a.lapse, a.cherry_picking, a.at_stake_cents)
      IS DISTINCT FROM (c.dormant, c.lapse, c.cherry_picking, c.at_stake_cents)
"""


# By an order alone; a batch that comes again says the same.
NOTE_CAME_BACK = """
UPDATE accounts a
SET came_back_at = b.at
FROM (
    SELECT organization, account, max(at) AS at
    FROM staged_signals
    WHERE recovered
      AND resolution = 'reordered'
    GROUP BY organization, account
) b
WHERE a.organization = b.organization
  AND a.account = b.account
  AND (a.came_back_at IS NULL OR a.came_back_at < b.at)
"""


def save(connection: db.Connection, events: Sequence[SignalEvent]) -> None:
    """Merge events as they stand in the log; several of one signal, one after the other."""
    rounds: Counter[tuple[str, str]] = Counter()
    STAGED.fill(connection, _rows(events, rounds))
    for number in range(1, max(rounds.values(), default=0) + 1):
        connection.execute(MERGE_ACTIVE, (number,), prepare=False)
        connection.execute(MERGE_RECOVERED, (number,), prepare=False)
        connection.execute(OPEN_EPISODES, (number,), prepare=False)
        connection.execute(CLOSE_EPISODES, (number,), prepare=False)
    connection.execute(CREATE_ACCOUNTS, prepare=False)
    connection.execute(COUNT_ON_ACCOUNTS, prepare=False)
    connection.execute(NOTE_CAME_BACK, prepare=False)


def _rows(
    events: Sequence[SignalEvent], rounds: Counter[tuple[str, str]]
) -> Iterator[tuple[Any, ...]]:
    for event in events:
        key = (event.organization, event.signal)
        rounds[key] += 1
        combo = event.combo
        what = (
            rounds[key],
            event.organization,
            event.signal,
            isinstance(event, SignalRecovered),
            event.account,
            event.signal_type,
            combo and combo.od,
            combo and combo.grade,
            event.episode,
            event.opened_on,
            event.at,
            event.source_offset,
            isinstance(event, SignalOpened),
        )
        if isinstance(event, SignalOpened | SignalSeen):
            figures = figures_json(event.figures)
            yield (
                *what,
                event.run,
                event.as_of,
                event.settings_version,
                event.lifetime_revenue_cents,
                figures,
                None,
                None,
                None,
            )
        elif isinstance(event, SignalRecovered):
            yield (
                *what,
                None,
                None,
                None,
                None,
                None,
                event.closed_on,
                event.resolution,
                event.order,
            )


def figures_json(figures: Figures) -> str:
    """Figures as the table and the command line have them: without the tag."""
    values = msgspec.to_builtins(figures)
    del values["of"]
    return msgspec.json.encode(values).decode()
