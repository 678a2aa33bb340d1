"""How long a page of the accounts table takes at a million accounts, for every sort with every
filter, with EXPLAIN.

    python -m bench.accounts [--accounts 1000000] [--explain FILE]

Fills one organization (bench-accounts) in the database of WINBACK_DATABASE_URL, unless it is there
already, as its superuser (`FILL`), and asks as the console does: the app role, row-level security,
one transaction a page. Times are milliseconds at the server, p50 and worst of five after one to
warm up. `winback organization delete bench-accounts --yes` removes it.
"""

import argparse
import json
import statistics
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import psycopg
from psycopg import sql

from services.signals.store import accounts
from services.signals.store.account_filter import Filter, often
from services.signals.store.account_paging import ALONE, Place, Sort, ways
from shared import db
from shared.settings import settings

ORGANIZATION = "bench-accounts"
ROUNDS = 5
TARGET_MS = 100

# Triggers and foreign keys rest while it is filled (a trigger a row took nine tenths of the time),
# so what they would write is written here, by the same function; indexes are made afterwards.
FILL = (
    """
    INSERT INTO organizations (organization, name, currency, timezone)
    VALUES (%(organization)s, 'Bench', 'USD', 'America/Chicago')
    """,
    """
    INSERT INTO accounts (
        organization, account, name, owner, enrollment, first_ordered_on, last_ordered_on,
        lifetime_cents, at_stake_cents, dormant, lapse, cherry_picking, last_contact_at, words
    )
    SELECT
        made.*,
        (
            SELECT coalesce(' ' || string_agg(word, ' '), '')
            FROM words_of(made.name, made.account)
        )
    FROM (
        SELECT
            %(organization)s,
            'A-' || n AS account,
            (ARRAY[
                'Permian', 'Caprock', 'Osage', 'Llano', 'Redwater', 'Mesquite', 'Copper', 'Harbor'
            ])[1 + n * 7 %% 8]
                || ' '
                || (ARRAY['Supply', 'Drilling', 'Pipe', 'Resources', 'Energy'])[1 + n * 11 %% 5]
                || ' ' || (n * 31 %% 9973) AS name,
            'rep-' || (n * 13 %% 60),
            CASE WHEN n %% 1000 = 0 THEN 'yes' WHEN n %% 500 = 1 THEN 'no' ELSE 'auto' END,
            date '2022-01-01' + (n * 17 %% 900)::int,
            date '2025-01-01' + (n * 19 %% 690)::int,
            (n::bigint * 7919 %% 500000000),
            CASE WHEN n %% 10 < 1 THEN n::bigint * 104729 %% 90000000 ELSE 0 END,
            (n %% 20 = 0)::int,
            CASE WHEN n %% 20 = 10 THEN 1 + (n %% 3)::int ELSE 0 END,
            (n %% 100 = 0)::int,
            CASE WHEN n %% 50 = 0 THEN now() - make_interval(days => (n %% 200)::int) END
        FROM generate_series(1, %(accounts)s) AS n
    ) AS made
    """,
    """
    INSERT INTO account_words (organization, account, word)
    SELECT DISTINCT organization, account, beginning
    FROM accounts
    CROSS JOIN unnest(string_to_array(ltrim(words, ' '), ' ')) AS word
    CROSS JOIN LATERAL beginnings_of(word)
    WHERE organization = %(organization)s
    """,
    """
    INSERT INTO signals (
        organization, signal, account, type, od, grade, detected_at, last_seen_at, episode,
        opened_on, as_of, settings_version, run, lifetime_revenue_cents, figures, source_offset
    )
    SELECT
        organization, 's-' || account || '-' || g, account, 'lapse', '5.5', 'J' || g, now(), now(),
        1, '2026-01-01', '2026-11-23', 1, 1, lifetime_cents,
        jsonb_build_object(
            'lapsed_revenue_cents', at_stake_cents, 'days_silent', 94, 'distinct_months', 4
        ),
        1
    FROM accounts
    CROSS JOIN generate_series(1, 3) AS g
    WHERE organization = %(organization)s
      AND g <= lapse
    """,
    """
    INSERT INTO orders (
        organization, order_id, account, ordered_on, counts_on, revision, content, cancelled,
        products, ods, grades, quantities, revenues_cents, accepted_at, source_offset, net_cents,
        is_activity
    )
    SELECT
        organization, 'SO-' || account || '-' || g, account, last_ordered_on - g * 20,
        last_ordered_on - g * 20, 1, '\\x00', false, ARRAY['pipe'], ARRAY['5.5'], ARRAY['J55'],
        ARRAY['1'], ARRAY[1000::bigint], now(), 1, 1000, true
    FROM accounts
    CROSS JOIN generate_series(1, 3) AS g
    WHERE organization = %(organization)s
      AND substr(account, 3)::int %% 10 = 0
    """,
)

FILLED = ("accounts", "account_words", "signals", "orders")
INDEXES = """
SELECT i.relname, pg_get_indexdef(i.oid)
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
WHERE t.relname = ANY(%s)
  AND NOT x.indisunique
"""

FILTERS: dict[str, Filter] = {
    "all": Filter(),
    "need a call": Filter(only="call"),
    "dormant": Filter(only="dormant"),
    "lapse": Filter(only="lapse"),
    "cherry-picking": Filter(only="cherry_picking"),
    "an owner": Filter(owner="rep-7"),
    "nobody's": Filter(owner="rep-none"),
    "pinned Yes": Filter(enrollment="yes"),
    "pinned No": Filter(enrollment="no"),
    "Auto": Filter(enrollment="auto"),
    "a rare word": Filter(words=("9972",)),
    "a common word": Filter(words=("permian",)),
    "two words": Filter(words=("caprock", "91")),
    "two common words": Filter(words=("permian", "supply")),
    "never together": Filter(words=("permian", "copper")),
    "three words": Filter(words=("permian", "supply", "1")),
    "no such word": Filter(words=("zzz",)),
    "an owner's lapses": Filter(only="lapse", owner="rep-10"),
    "a common word, dormant": Filter(only="dormant", words=("permian",)),
}


def fill(number: int) -> None:
    """The organization with so many accounts, a tenth of them flagged, unless it is there."""
    with psycopg.connect(settings().database_url) as connection:
        if connection.execute(
            "SELECT 1 FROM organizations WHERE organization = %s", (ORGANIZATION,)
        ).fetchone():
            return
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
        indexes = connection.execute(INDEXES, (list(FILLED),)).fetchall()
        for name, _ in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        for statement in FILL:
            connection.execute(
                statement.encode(), {"organization": ORGANIZATION, "accounts": number}
            )
        for _, definition in indexes:
            connection.execute(definition.encode())
    with psycopg.connect(settings().database_url, autocommit=True) as owner:
        owner.execute("VACUUM (ANALYZE) accounts, account_words, signals, orders")


def once(
    connection: db.Connection,
    sort: Sort,
    narrowed: Filter,
    place: Place | None,
    now: datetime,
    took: dict[str, float],
) -> list[Any]:
    """What table_of asks PostgreSQL for. `took`: gets the milliseconds of each question."""

    def answered(question: str, began: float) -> float:
        took[question] = 1000 * (time.perf_counter() - began)
        return time.perf_counter()

    often.clear()  # as if nobody had searched for these words lately
    began = time.perf_counter()
    rows = accounts.page(
        connection,
        ORGANIZATION,
        sort=sort,
        descending=sort != "name",
        narrowed=narrowed,
        place=place,
        limit=51,
        now=now,
    )
    names = [row.account for row in rows[:50]]
    began = answered("rows", began)
    accounts.top_signals(connection, ORGANIZATION, names)
    began = answered("badges", began)
    accounts.typical_gaps(connection, ORGANIZATION, names)
    began = answered("gaps", began)
    accounts.totals(connection, ORGANIZATION, now=now)
    began = answered("totals", began)
    accounts.count(connection, ORGANIZATION, narrowed, now=now)
    began = answered("count", began)
    accounts.owners(connection, ORGANIZATION)
    answered("owners", began)
    return rows


def asked(
    pool: Any,
    sort: Sort,
    narrowed: Filter,
    place: Place | None = None,
    took: dict[str, float] | None = None,
) -> tuple[float, list[Any]]:
    """Milliseconds of one page, and its rows."""
    started = time.perf_counter()
    with db.organization_transaction(pool, ORGANIZATION) as connection:
        rows = once(
            connection, sort, narrowed, place, datetime.now(UTC), {} if took is None else took
        )
    return 1000 * (time.perf_counter() - started), rows


def timed(
    pool: Any, sort: Sort, narrowed: Filter, place: Place | None
) -> tuple[list[float], list[Any]]:
    """Milliseconds of each round, and the rows."""
    found = [asked(pool, sort, narrowed, place) for _ in range(ROUNDS + 1)]
    return [milliseconds for milliseconds, _ in found[1:]], found[-1][1]


def explained(pool: Any, sort: Sort, narrowed: Filter) -> str:
    """The plan of the page's own statement."""
    with db.organization_transaction(pool, ORGANIZATION) as connection:
        now = datetime.now(UTC)
        found = []
        rows_found = None
        for way in ways(connection, ORGANIZATION, sort, sort != "name", narrowed, None, now):
            if rows_found is not None and not way.goes_on(rows_found, 51):
                continue
            connection.execute(ALONE)
            text, values = way.statement.as_string(connection), way.values | {"limit": 51}
            rows = connection.execute(("EXPLAIN (ANALYZE, BUFFERS) " + text).encode(), values)
            found.append("\n".join(str(row[0]) for row in rows))
            rows_found = len(connection.execute(way.statement, values).fetchall())
        return "\n-- and then, since that filled no page\n".join(found)


def main() -> None:
    """Fill, ask, print; exit 1 where a page takes longer than it may."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--accounts", type=int, default=1_000_000)
    given.add_argument("--explain", type=Path, help="write every plan into this file")
    options = given.parse_args()
    started = time.perf_counter()
    fill(options.accounts)
    print(f"filled in {time.perf_counter() - started:.0f} s")
    worst, plans = 0.0, []
    with ExitStack() as opened:
        pool = opened.enter_context(db.pool("winback_app"))
        print(f"{'filter':26}{'sort':12}{'p50 ms':>8}{'worst':>8}{'second page':>13}")
        for name, narrowed in FILTERS.items():
            for sort in get_args(Sort):
                times, rows = timed(pool, sort, narrowed, None)
                following: list[float] = []
                if len(rows) > 50:
                    key = rows[49].key
                    place = Place(
                        value=key if isinstance(key, int) else str(key),
                        account=rows[49].account,
                        is_after=True,
                    )
                    following, _ = timed(pool, sort, narrowed, place)
                p50 = statistics.median(times)
                worst = max(worst, p50, statistics.median(following) if following else 0)
                second = f"{statistics.median(following):13.1f}" if following else ""
                print(f"{name:26}{sort:12}{p50:8.1f}{max(times):8.1f}{second}", flush=True)
                if options.explain:
                    plans.append(f"-- {name}, by {sort}\n{explained(pool, sort, narrowed)}\n")
    if options.explain:
        options.explain.write_text("\n".join(plans))
    print(
        json.dumps(
            {
                "accounts": options.accounts,
                "slowest_p50_ms": round(worst, 1),
                "target_ms": TARGET_MS,
            }
        )
    )
    raise SystemExit(worst > TARGET_MS)


if __name__ == "__main__":
    main()
