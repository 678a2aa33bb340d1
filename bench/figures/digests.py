"""Digests: planned, rendered for each recipient and handed over, against the same bytes sent by a
bare SMTP client.
"""

import asyncio
import time
from datetime import timedelta
from urllib.parse import urlsplit

import aiosmtplib
import msgspec
from psycopg.types.json import Jsonb

from bench.figure import Measured, Result, Side, Target, timed
from bench.figures.persist import owner
from bench.measured_process import Failed
from bench.rig import Rig, make_organization
from services.digest import handlers
from services.digest.outbox import MAILS
from shared import clock, db
from shared.domain.thresholds import DEFAULTS
from shared.events import DigestDue
from shared.outbox import store as outbox_store
from shared.outbox.sender import Sender
from shared.settings import settings

ORGANIZATION = "bench-digest"
RECIPIENTS, ACCOUNTS = 300, 60

FILL = (
    """
    INSERT INTO settings_versions (organization, version, settings, saved_by)
    VALUES (%(organization)s, 1, %(settings)s, 'bench')
    """,
    """
    INSERT INTO runs (
        organization, number, as_of, settings_version, reason, requested_at, published_at,
        completed_at, accounts
    )
    VALUES (%(organization)s, 1, %(as_of)s, 1, 'digest', now(), now(), now(), %(accounts)s)
    """,
    """
    INSERT INTO accounts (organization, account, name, owner)
    SELECT %(organization)s, 'A-' || n, 'Account ' || n || ' & Sons', 'rep-' || n %% 7
    FROM generate_series(1, %(accounts)s) AS n
    """,
    """
    INSERT INTO signals (
        organization, signal, account, type, detected_at, last_seen_at, episode, opened_on, as_of,
        settings_version, run, lifetime_revenue_cents, figures, source_offset
    )
    SELECT
        %(organization)s, 's-' || n, 'A-' || n, 'dormant', now(), now(), 1, %(as_of)s, %(as_of)s, 1,
        1, 20000000 + n,
        jsonb_build_object(
            'days_inactive', 100 + n, 'last_ordered_on', %(last_on)s::text,
            'lifetime_revenue_cents', 20000000 + n, 'last_year_revenue_cents', 5000000
        ),
        1
    FROM generate_series(1, %(accounts)s) AS n
    """,
    """
    INSERT INTO members (organization, email, role)
    SELECT %(organization)s, 'r' || n || '@example.com', 'member'
    FROM generate_series(1, %(recipients)s) AS n
    """,
    """
    INSERT INTO digest_recipients (organization, email, added_by)
    SELECT %(organization)s, 'r' || n || '@example.com', 'bench'
    FROM generate_series(1, %(recipients)s) AS n
    """,
)


def digests(rig: Rig) -> list[Result]:
    """One digest to many recipients: from the tick to the last answer of the mail server."""
    recipients = max(5, int(RECIPIENTS * rig.scale))
    make_organization(ORGANIZATION)
    as_of = clock.now().date()
    values = {
        "organization": ORGANIZATION,
        "settings": Jsonb(msgspec.to_builtins(DEFAULTS)),
        "as_of": as_of,
        "last_on": as_of - timedelta(days=101),
        "accounts": ACCOUNTS,
        "recipients": recipients,
    }
    with owner() as connection:
        for statement in FILL:
            connection.execute(statement.encode(), values)
    messages: list[tuple[str, bytes]] = []
    with db.pool("winback_worker") as pool:
        sender = Sender(MAILS, pool)

        def ours() -> Measured:
            slot = f"bench-{time.monotonic_ns()}"
            due = DigestDue(
                organization=ORGANIZATION,
                digest=slot,
                slot=slot,
                slot_at=clock.now(),
                run=1,
                next_at=None,
            )

            def work() -> float:
                with pool.connection() as connection, connection.transaction():
                    planned = handlers.plan(connection, due, at=clock.now())
                    assert planned is not None
                    messages[:] = [
                        (email, bytes(message))
                        for email, message in connection.execute(
                            "SELECT email, message FROM digest_mails "
                            "WHERE organization = %s AND digest = %s",
                            (ORGANIZATION, slot),
                        )
                    ]
                while sender.send_due():
                    pass
                return planned.recipients

            measured = timed(work)
            with pool.connection() as connection:
                mails = outbox_store.states(connection, MAILS, ORGANIZATION, slot)
            states = [one.state for one in mails]
            if states != ["sent"] * recipients:
                raise Failed(f"{states.count('sent')} of {recipients} mails were sent")
            return measured

        def bare() -> Measured:
            if not messages:
                ours()
            place = urlsplit(settings().smtp_url)

            async def send() -> None:
                async with aiosmtplib.SMTP(
                    hostname=place.hostname, port=place.port, start_tls=False
                ) as session:
                    for email, message in messages:
                        await session.sendmail("winback@localhost", [email], message)

            def work() -> float:
                asyncio.run(send())
                return len(messages)

            return timed(work)

        found = rig.rounds.compare(
            "digests",
            title="Digest: render and hand over",
            unit="mails/s",
            ours=Side(name="plan, render and send", run=ours),
            references=[
                Side(
                    name="aiosmtplib sending the same bytes",
                    run=bare,
                    target=Target(compares="rate", bound=0.5, moonshot=0.9),
                )
            ],
            note=f"{recipients} recipients, {ACCOUNTS} accounts, one sender; "
            "the sink is a Python process on this machine and holds both sides",
        )
        sender.close()
    return found
