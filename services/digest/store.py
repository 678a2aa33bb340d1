"""The digest's SQL: what it reads of others through their views, and the rows of its
own digests and mails.

The outbox's statements are in `shared.outbox.store` and `mails_store`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.digest.facts import (
    Back,
    Contact,
    Facts,
    Feed,
    Organization,
    Purchase,
    Recipient,
    Run,
)
from services.digest.shown import shown_of
from shared import db, wording
from shared.domain.cadence import Schedule
from shared.domain.digest import Account, ActiveSignal, Shown
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings
from shared.events import CherryPickingFigures, Combo, DormantFigures, Figures, LapseFigures

FIRST_PERIOD = timedelta(days=7)  # of the first digest, which has none before it
LABELS = 3  # of what was last bought
LONGEST_LABEL = 40

FIGURES: dict[str, type[Figures]] = {
    "dormant": DormantFigures,
    "lapse": LapseFigures,
    "cherry_picking": CherryPickingFigures,
}

ORGANIZATION = """
SELECT
    organization,
    name,
    currency,
    timezone
FROM published_organizations
WHERE organization = %s
"""

RUN = """
SELECT
    number,
    as_of,
    completed_at,
    accounts,
    settings,
    median_share
FROM published_runs
WHERE organization = %(organization)s
  AND completed_at IS NOT NULL
  AND (%(number)s::int IS NULL OR number = %(number)s)
ORDER BY number DESC
LIMIT 1
"""

# What the run saw and is still active: a later run may have seen it again, but
# must not have opened it.
ACTIVE_SIGNALS = """
SELECT
    signal,
    account,
    type,
    od,
    grade,
    episode,
    lifetime_revenue_cents,
    figures,
    paused_until,
    lost_at
FROM published_signals
WHERE organization = %(organization)s
  AND recovered_at IS NULL
  AND run >= %(run)s
  AND opened_on <= %(as_of)s
ORDER BY signal
"""

ACCOUNTS = """
SELECT
    account,
    name,
    owner,
    enrollment,
    paused_until,
    lost_at
FROM published_accounts
WHERE organization = %(organization)s
  AND (enrollment = 'yes' OR account = ANY(%(accounts)s))
"""

FEED = """
SELECT
    (
        SELECT count(*)
        FROM published_orders
        WHERE organization = %(organization)s
          AND accepted_at > %(since)s
    ) AS received,
    last_accepted_at,
    last_ordered_on
FROM (SELECT) AS one_row
LEFT JOIN digest_feeds ON organization = %(organization)s
"""

# What the last digest knew of and an order ended since.
CAME_BACK = """
SELECT
    e.account,
    e.type,
    e.od,
    e.grade,
    coalesce(o.counts_on, e.closed_on) AS ordered_on,
    coalesce(e.recovered_by, '') AS order_id,
    coalesce((SELECT sum(cents) FROM unnest(o.revenues_cents) AS cents), 0)::bigint AS order_cents
FROM published_episodes e
LEFT JOIN published_orders o
    ON o.organization = e.organization AND o.order_id = e.recovered_by
WHERE e.organization = %(organization)s
  AND e.resolution = 'reordered'
  AND e.closed_at > %(since)s
  AND e.signal = ANY(%(signals)s)
ORDER BY e.closed_at DESC, e.account, e.signal
LIMIT 2000
"""

CONTACTS = """
SELECT DISTINCT ON (account)
    account,
    name,
    phone,
    email
FROM published_contacts
WHERE organization = %(organization)s
  AND account = ANY(%(accounts)s)
ORDER BY account, is_primary DESC, name, contact
"""

SCHEDULE = """
SELECT
    frequency,
    hour,
    anchor_on,
    timezone,
    since
FROM digest_schedules
WHERE organization = %s
"""

# Of each account the orders of its last activity day: only positive lines are activity.
LAST_PURCHASES = """
SELECT
    wanted.account,
    last_day.counts_on,
    line.product,
    line.od,
    line.grade,
    line.revenue_cents
FROM unnest(%(accounts)s::text[]) AS wanted (account)
CROSS JOIN LATERAL (
    SELECT o.counts_on
    FROM published_orders o
    WHERE o.organization = %(organization)s
      AND o.account = wanted.account
      AND o.counts_on <= %(as_of)s
      AND NOT o.cancelled
      AND EXISTS (SELECT FROM unnest(o.revenues_cents) AS revenue WHERE revenue > 0)
    ORDER BY o.counts_on DESC
    LIMIT 1
) AS last_day
JOIN published_orders bought
    ON bought.organization = %(organization)s
    AND bought.account = wanted.account
    AND bought.counts_on = last_day.counts_on
    AND NOT bought.cancelled
CROSS JOIN LATERAL unnest(bought.products, bought.ods, bought.grades, bought.revenues_cents)
    AS line (product, od, grade, revenue_cents)
WHERE line.revenue_cents > 0
"""

PREVIOUS = """
SELECT
    shown,
    slot_at
FROM digests
WHERE organization = %(organization)s
  AND run IS NOT NULL
  AND (%(run)s::int IS NULL OR run < %(run)s)
  AND NOT private
ORDER BY run DESC, slot_at DESC
LIMIT 1
"""

DIGEST_OF_RUN = """
SELECT digest
FROM digests
WHERE organization = %s
  AND run = %s
  AND NOT private
ORDER BY slot_at DESC
LIMIT 1
"""

# A bounce is this service's own knowledge; adding the recipient anew forgets it.
RECIPIENTS = """
SELECT
    r.email,
    r.added_at,
    r.added_by,
    CASE WHEN r.own_only THEN ARRAY(
        SELECT p.owner
        FROM published_owners p
        WHERE p.organization = r.organization
          AND p.email = r.email
        ORDER BY p.owner
    ) END AS owners,
    CASE
        WHEN s.email IS NOT NULL THEN s.reason
        WHEN EXISTS (
            SELECT FROM digest_mails m
            WHERE m.organization = r.organization
              AND m.email = r.email
              AND m.state = 'bounced'
              AND m.answer LIKE '5%%'
              AND m.queued_at > r.added_at
        ) THEN 'bounced'
    END AS refused
FROM digest_recipients_view r
LEFT JOIN published_suppressions s USING (organization, email)
WHERE r.organization = %s
ORDER BY r.email
"""

SUPPRESSION = """
SELECT reason
FROM published_suppressions
WHERE organization = %s
  AND email = %s
"""

IS_PLANNED = """
SELECT EXISTS (
    SELECT
    FROM digests
    WHERE organization = %s
      AND slot = %s
)
"""

INSERT_DIGEST = """
INSERT INTO digests (
    organization, digest, slot, slot_at, run, heartbeat,
    recoverable_revenue_cents, shown, subject, html, body, created_at, private
) VALUES (
    %(organization)s, %(digest)s, %(slot)s, %(slot_at)s, %(run)s, %(heartbeat)s,
    %(recoverable_revenue_cents)s, %(shown)s, %(subject)s, %(html)s, %(body)s,
    %(created_at)s, %(private)s
)
ON CONFLICT DO NOTHING
"""


def facts(
    connection: db.Connection, organization: str, *, run: int | None, at: datetime
) -> Facts | None:
    """What a digest of that run is made from; None where the organization
    does not exist (any more).

    run None: a heartbeat that says that there is none.
    """
    rows = connection.cursor(row_factory=dict_row)
    found = rows.execute(ORGANIZATION, (organization,)).fetchone()
    if found is None:
        return None
    asked = (
        None
        if run is None
        else _run(rows.execute(RUN, {"organization": organization, "number": run}).fetchone())
    )
    last = asked or latest_run(connection, organization)
    previous = rows.execute(PREVIOUS, {"organization": organization, "run": run}).fetchone()
    since = at - FIRST_PERIOD if previous is None else previous["slot_at"]
    schedule = rows.execute(SCHEDULE, (organization,)).fetchone()
    signals = () if asked is None else active_signals(connection, organization, asked)
    memory = None if previous is None else shown_of(previous["shown"])
    back = came_back(connection, organization, memory, since) if memory is not None else []
    known = accounts(
        connection,
        organization,
        {signal.account for signal in signals} | {one[0] for one in back},
    )
    return Facts(
        organization=Organization(**found),
        run=asked,
        last_run=last,
        feed=_feed(
            rows.execute(FEED, {"organization": organization, "since": since}).fetchone(), since
        ),
        schedule=None if schedule is None else Schedule(**schedule),
        previous=memory,
        signals=signals,
        accounts=known,
        back=_back(back, known),
        contacts=contacts(connection, organization, {signal.account for signal in signals}),
    )


def came_back(
    connection: db.Connection, organization: str, memory: Shown, since: datetime
) -> list[tuple[Any, ...]]:
    """(account, type, OD, grade, day, order, its net cents) of each signal of the last digest that
    an order ended, who came last first.
    """
    values = {
        "organization": organization,
        "since": since,
        "signals": sorted({*memory.signals, *memory.earlier}),
    }
    return connection.execute(CAME_BACK, values).fetchall()


def contacts(
    connection: db.Connection, organization: str, accounts: Iterable[str]
) -> dict[str, Contact]:
    """Whom to call at each: the primary contact, or else whoever is known."""
    values = {"organization": organization, "accounts": sorted(accounts)}
    return {
        account: Contact(name=name or "", phone=phone, email=email)
        for account, name, phone, email in connection.execute(CONTACTS, values)
    }


def _back(rows: Iterable[tuple[Any, ...]], accounts: dict[str, Account]) -> tuple[Back, ...]:
    """Each account once."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return tuple(
        Back(
            account=accounts.get(account, Account(account=account)),
            what=tuple(
                dict.fromkeys(
                    Combo(od=od, grade=grade)
                    for _, type_, od, grade, *_ in mine
                    if type_ == "lapse"
                )
            ),
            is_whole=any(type_ != "lapse" for _, type_, *_ in mine),
            ordered_on=mine[0][4],
            order_cents=sum({row[5]: row[6] for row in mine}.values()),
        )
        for account, mine in found.items()
    )


def latest_run(connection: db.Connection, organization: str) -> Run | None:
    """The complete run with the highest number."""
    rows = connection.cursor(row_factory=dict_row)
    return _run(rows.execute(RUN, {"organization": organization, "number": None}).fetchone())


def active_signals(
    connection: db.Connection, organization: str, run: Run
) -> tuple[ActiveSignal, ...]:
    """Every signal that the run saw and that is still active."""
    rows = connection.cursor(row_factory=dict_row)
    found = rows.execute(
        ACTIVE_SIGNALS, {"organization": organization, "run": run.number, "as_of": run.as_of}
    )
    return tuple(_signal(row) for row in found)


def accounts(
    connection: db.Connection, organization: str, wanted: Iterable[str]
) -> dict[str, Account]:
    """The accounts that are wanted, and all that are pinned to Yes."""
    known = {key: Account(account=key) for key in wanted}
    rows = connection.cursor(row_factory=dict_row)
    found = rows.execute(ACCOUNTS, {"organization": organization, "accounts": list(known)})
    return known | {row["account"]: Account(**row) for row in found}


def last_purchases(
    connection: db.Connection, organization: str, run: Run, accounts: Sequence[str]
) -> dict[str, Purchase]:
    """What each account bought on its last activity day up to the run's, read under the run's size
    table and aliases.
    """
    sizes, grades = TaughtSizes(run.settings.sizes), TaughtGrades(run.settings.grade_aliases)
    bought: dict[str, dict[str, int]] = {}
    days = {}
    parameters = {"organization": organization, "accounts": list(accounts), "as_of": run.as_of}
    for account, day, product, od, grade, cents in connection.execute(LAST_PURCHASES, parameters):
        combo = Combo(od=read_od(od, sizes).value, grade=read_grade(grade, grades))
        label = (
            wording.combo_words(combo)
            if combo.od or combo.grade
            else wording.plain_name(product or "", longest=LONGEST_LABEL)
        )
        days[account] = day
        revenue = bought.setdefault(account, {})
        revenue[label] = revenue.get(label, 0) + int(cents)
    return {
        account: Purchase(on=day, labels=_largest(bought[account])) for account, day in days.items()
    }


def digest_of_run(connection: db.Connection, organization: str, run: int) -> str | None:
    """The digest that recipients got of a run, if they did."""
    row = connection.execute(DIGEST_OF_RUN, (organization, run)).fetchone()
    return None if row is None else str(row[0])


def recipients(connection: db.Connection, organization: str) -> list[Recipient]:
    """The organization's, with the reason where nothing may be sent."""
    rows = connection.execute(RECIPIENTS, (organization,))
    return [
        Recipient(
            email=email,
            refused=refused,
            why=f"You were added by {wording.plain_name(by, longest=60)} on {at:%-d} {at:%b %Y}",
            owners=tuple(owners) if owners else None,
        )
        for email, at, by, owners, refused in rows
    ]


def suppression(connection: db.Connection, organization: str, email: str) -> str | None:
    """Why nothing may be sent to an address."""
    row = connection.execute(SUPPRESSION, (organization, email)).fetchone()
    return None if row is None else str(row[0])


def is_planned(connection: db.Connection, organization: str, slot: str) -> bool:
    """Is there a digest for the slot? Asked before one is rendered in
    vain; `insert_digest` decides.
    """
    row = connection.execute(IS_PLANNED, (organization, slot)).fetchone()
    return row is not None and bool(row[0])


def insert_digest(connection: db.Connection, row: dict[str, Any]) -> bool:
    """False where the digest, or one for its slot, is there already: it came again."""
    return connection.execute(INSERT_DIGEST, row | {"shown": Jsonb(row["shown"])}).rowcount == 1


def _run(row: dict[str, Any] | None) -> Run | None:
    if row is None:
        return None
    detection = msgspec.convert(row.pop("settings") or {}, DetectionSettings)
    return Run(**(row | {"accounts": row["accounts"] or 0}), settings=detection)


def _signal(row: dict[str, Any]) -> ActiveSignal:
    figures = msgspec.convert({"of": row["type"], **row.pop("figures")}, FIGURES[row["type"]])
    od, grade = row.pop("od"), row.pop("grade")
    return ActiveSignal(
        **row, combo=Combo(od=od, grade=grade) if row["type"] == "lapse" else None, figures=figures
    )


def _feed(row: dict[str, Any] | None, since: datetime) -> Feed:
    assert row is not None
    return Feed(
        received=row["received"],
        since=since,
        newest_accepted_at=row["last_accepted_at"],
        newest_ordered_on=row["last_ordered_on"],
    )


def _largest(revenue: dict[str, int]) -> tuple[str, ...]:
    labels = sorted(
        (label for label in revenue if label), key=lambda label: (-revenue[label], label)
    )
    more = len(labels) - LABELS
    return tuple(labels[:LABELS]) + ((f"{more} more",) if more > 0 else ())
