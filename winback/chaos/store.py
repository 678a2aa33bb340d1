"""What the oracles read from PostgreSQL, and the little that scenarios write there: time that
passes, positions that go back, a token that is good for nothing for a while. Only ever in a stack
of the harness's own.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from shared import db

ORDERS = """
SELECT
    order_id,
    account,
    ordered_on,
    counts_on,
    revision,
    content,
    cancelled,
    ods,
    grades,
    revenues_cents
FROM orders
WHERE organization = %s
"""

LIFETIMES = """
SELECT
    a.account,
    a.lifetime_cents,
    coalesce((
        SELECT sum(o.net_cents)
        FROM orders o
        WHERE o.organization = a.organization
          AND o.account = a.account
          AND NOT o.cancelled
    ), 0)
FROM accounts a
WHERE a.organization = %s
"""

RUNS = """
SELECT number, completed_at IS NOT NULL
FROM runs
WHERE organization = %s
"""

SETTINGS = """
SELECT version, settings
FROM settings_versions
WHERE organization = %s
"""

SETTINGS_NOTED = """
SELECT count(*)
FROM audit_log
WHERE organization = %s
  AND subject = 'settings'
  AND action = 'changed'
"""

OUTCOMES = """
SELECT
    o.outcome,
    (
        SELECT count(*)
        FROM audit_log a
        WHERE a.organization = o.organization
          AND a.detail ->> 'outcome' = o.outcome
          AND a.action NOT LIKE 'undid%%'
    )
FROM outcomes o
WHERE o.organization = %s
  AND o.kind IN ('reached_out', 'won_back', 'lost')
"""

DETECTED = """
SELECT signal, detected_at
FROM signals
WHERE organization = %s
"""

EPISODES_DOUBLED = """
SELECT count(*)
FROM episodes e
WHERE e.organization = %s
  AND e.closed_at IS NULL
  AND EXISTS (
      SELECT
      FROM episodes later
      WHERE later.organization = e.organization
        AND later.signal = e.signal
        AND later.episode > e.episode
  )
"""

DIGEST_SLOTS = """
SELECT slot_at, ticked_at IS NOT NULL, heartbeat_at IS NOT NULL, dropped
FROM slots
WHERE organization = %s
  AND kind = 'digest'
ORDER BY slot_at
"""

SLOTS = """
SELECT kind, slot_at, dropped
FROM slots
WHERE organization = %s
ORDER BY slot_at, kind
"""

RECIPIENTS = """
SELECT r.email
FROM digest_recipients r
WHERE r.organization = %s
  AND NOT EXISTS (
      SELECT
      FROM suppressions s
      WHERE s.organization = r.organization
        AND s.email = r.email
  )
ORDER BY r.email
"""

MAILS = """
SELECT email, state, attempts, ambiguous, answer
FROM digest_mails
WHERE organization = %s
ORDER BY email
"""

# Two minutes pass for mails whose sender is dead: its lease runs out.
LEASES_RUN_OUT = """
UPDATE digest_mails
SET lease_until = now() - interval '1 second'
WHERE organization = %s
  AND state = 'sending'
"""

# A sequence under way, as a launch leaves it: each of its people is due now.
LETTERS = """
INSERT INTO members (organization, email, role)
VALUES (%(organization)s, %(sender)s, 'owner')
ON CONFLICT DO NOTHING;
INSERT INTO sending_settings (organization, settings, saved_at, saved_by)
VALUES (%(organization)s, %(settings)s, now(), 'chaos')
ON CONFLICT DO NOTHING;
INSERT INTO sequences (
    organization, sequence, digest, signal_type, name, state, drafted_at, launched_at, sender
) VALUES (
    %(organization)s, 'letters', 'd', 'dormant', 'Letters', 'launched', now(), now(), %(sender)s
);
INSERT INTO sequence_steps (organization, sequence, position, wait_days, subject, body)
VALUES (%(organization)s, 'letters', 1, 0, 'Hello', 'How are you?');
INSERT INTO accounts (organization, account)
SELECT %(organization)s, 'l' || n
FROM generate_series(1, %(count)s) n;
INSERT INTO contacts (organization, contact, account, email, is_primary, revision)
SELECT %(organization)s, 'l' || n, 'l' || n, 'l' || n || '@' || %(organization)s || '.example',
    true, 1
FROM generate_series(1, %(count)s) n;
INSERT INTO enrollments (
    organization, sequence, account, contact, state, enrolled_at, digest, signal_type, seen_at,
    email, sender, started_at, due_at, next_at
)
SELECT %(organization)s, 'letters', 'l' || n, 'l' || n, 'active', now(), 'd', 'dormant', now(),
    'l' || n || '@' || %(organization)s || '.example', %(sender)s, now(), now(), now()
FROM generate_series(1, %(count)s) n
"""

LETTERS_NOW = """
SELECT
    e.email,
    e.state,
    e.reason,
    m.state,
    coalesce(m.settled, false)
FROM enrollments e
LEFT JOIN sequence_mails m USING (organization, sequence, account, contact)
WHERE e.organization = %s
ORDER BY e.account
"""

LETTERS_LEASES_RUN_OUT = """
UPDATE sequence_mails
SET lease_until = now() - interval '1 second'
WHERE organization = %s
  AND state = 'sending'
"""

REWIND = """
UPDATE positions
SET next_offset = greatest(0, next_offset - %(records)s)
WHERE consumer = %(consumer)s
  AND topic = %(topic)s
  AND partition = %(partition)s
RETURNING next_offset
"""

POSITIONS = """
SELECT partition, next_offset
FROM positions
WHERE consumer = %s
  AND topic = %s
  AND partition >= 0
"""

UNREVOKE = """
UPDATE tokens
SET revoked_at = NULL
WHERE organization = %s
  AND name = %s
"""

REVOKE = """
UPDATE tokens
SET revoked_at = now()
WHERE organization = %s
  AND name = %s
"""


class Row(NamedTuple):
    """An order as the read model has it."""

    order: str
    account: str
    ordered_on: date
    counts_on: date
    revision: int
    content: bytes
    cancelled: bool
    lines: list[tuple[str | None, str | None, int]]


def orders(connection: db.Connection, organization: str) -> Iterator[Row]:
    """All of them."""
    for row in connection.execute(ORDERS, (organization,)):
        order, account, ordered_on, counts_on, revision, content, cancelled, *lines = row
        yield Row(
            order,
            account,
            ordered_on,
            counts_on,
            revision,
            content,
            cancelled,
            list(zip(*lines, strict=True)),
        )


def wrong_lifetimes(connection: db.Connection, organization: str) -> list[tuple[str, int, int]]:
    """(account, what the read model keeps, what its orders sum up to) where the two differ."""
    rows = connection.execute(LIFETIMES, (organization,))
    return [
        (account, int(kept), int(summed))
        for account, kept, summed in rows
        if int(kept) != int(summed)
    ]


def runs(connection: db.Connection, organization: str) -> dict[int, bool]:
    """number -> is it complete?"""
    return {int(number): bool(done) for number, done in connection.execute(RUNS, (organization,))}


def settings_versions(connection: db.Connection, organization: str) -> dict[int, dict[str, Any]]:
    """version -> what it says."""
    return {int(version): said for version, said in connection.execute(SETTINGS, (organization,))}


def settings_noted(connection: db.Connection, organization: str) -> int:
    """Rows of the audit log that say that settings were changed."""
    return count(connection, SETTINGS_NOTED, organization)


def outcomes(connection: db.Connection, organization: str) -> dict[str, int]:
    """outcome -> how often the audit log says that it was done."""
    return {
        str(outcome): int(times) for outcome, times in connection.execute(OUTCOMES, (organization,))
    }


def detected(connection: db.Connection, organization: str) -> dict[str, datetime]:
    """signal -> detected_at."""
    return {str(signal): at for signal, at in connection.execute(DETECTED, (organization,))}


def episodes_doubled(connection: db.Connection, organization: str) -> int:
    """Episodes that are open while a later one of their signal exists."""
    return count(connection, EPISODES_DOUBLED, organization)


def digest_slots(
    connection: db.Connection, organization: str
) -> list[tuple[datetime, bool, bool, str | None]]:
    """(slot_at, is it ticked, is its heartbeat, why it was dropped), by time."""
    return [
        (at, bool(ticked), bool(beat), why)
        for at, ticked, beat, why in connection.execute(DIGEST_SLOTS, (organization,))
    ]


def slots(connection: db.Connection, organization: str) -> list[tuple[str, datetime, str | None]]:
    """(kind, slot_at, why it was dropped), by time."""
    return [(str(kind), at, why) for kind, at, why in connection.execute(SLOTS, (organization,))]


def recipients(connection: db.Connection, organization: str) -> list[str]:
    """Who gets the digest."""
    return [str(email) for (email,) in connection.execute(RECIPIENTS, (organization,))]


def mails(
    connection: db.Connection, organization: str
) -> list[tuple[str, str, int, int, str | None]]:
    """(email, state, attempts, ambiguous, answer) of every row of the outbox."""
    return [
        (str(e), str(s), int(a), int(u), answer)
        for e, s, a, u, answer in connection.execute(MAILS, (organization,))
    ]


def leases_run_out(connection: db.Connection, organization: str) -> int:
    """As if two minutes had passed for a dead sender. Returns how many mails it had in hand."""
    return connection.execute(LEASES_RUN_OUT, (organization,)).rowcount


def launch_letters(
    connection: db.Connection, organization: str, *, sender: str, settings: str, count: int
) -> None:
    """A sequence whose `count` people are due now."""
    values = {
        "organization": organization, "sender": sender, "settings": settings, "count": count,
    }  # fmt: skip
    for statement in LETTERS.split(";"):
        connection.execute(statement.encode(), values)


def letters(
    connection: db.Connection, organization: str
) -> list[tuple[str, str, str | None, str | None, bool]]:
    """(email, state of the person, reason, state of their letter, whether it is drawn)."""
    return connection.execute(LETTERS_NOW, (organization,)).fetchall()


def letters_leases_run_out(connection: db.Connection, organization: str) -> int:
    """As `leases_run_out`, of letters."""
    return connection.execute(LETTERS_LEASES_RUN_OUT, (organization,)).rowcount


def rewind(
    connection: db.Connection, consumer: str, topic: str, partition: int, records: int
) -> None:
    """Move a position: back by `records`, or forward where that is negative."""
    connection.execute(
        REWIND, {"consumer": consumer, "topic": topic, "partition": partition, "records": records}
    )


def positions(connection: db.Connection, consumer: str, topic: str) -> dict[int, int]:
    """partition -> next offset."""
    return {
        int(partition): int(at)
        for partition, at in connection.execute(POSITIONS, (consumer, topic))
    }


def revoke(connection: db.Connection, organization: str, token: str) -> None:
    """The token is good for nothing from now on."""
    connection.execute(REVOKE, (organization, token))


def unrevoke(connection: db.Connection, organization: str, token: str) -> None:
    """It is good again: the cause of its dead letters is mended."""
    connection.execute(UNREVOKE, (organization, token))


def count(connection: db.Connection, statement: str, organization: str) -> int:
    row = connection.execute(statement, (organization,)).fetchone()
    assert row is not None
    return int(row[0])
