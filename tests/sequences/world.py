"""An organization as the signals service has it in PostgreSQL, for drafts to be made from."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from shared import db
from shared.events import Figures, LapseFigures
from shared.ids import signal_id

RUN_DAY = date(2026, 11, 23)
RUN_AT = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
DRAFTED_AT = datetime(2026, 11, 23, 14, 0, 1, tzinfo=UTC)

SETTINGS = {
    "dormant": {"enabled": True},
    "lapse": {"enabled": True},
    "cherry_picking": {"enabled": True, "minimum_od": "6"},
    "grade_aliases": {"JOT": "J55"},
    "sizes": {"five and a half": "5.5"},
}

SENDER = "rs@three-forks.example"
AT_ONCE = {
    "replies": "by_hand",
    "postal_address": "1 Yard Road, Midland",
    "every_day": True,
    "from_hour": 0,
    "to_hour": 24,
    "first_after_least_seconds": 0,
    "first_after_most_seconds": 0,
    "gap_least_seconds": 0,
    "gap_most_seconds": 0,
    "sender_daily": 100_000,
    "sender_hourly": 100_000,
    "organization_daily": 100_000,
    "domain_daily": 100_000,
    "new_sender_daily": 100_000,
}
STEPS = (
    (0, "About {lapsed}", "Hello {contact_name},\n\nis {lapsed} still needed?\n\n{owner}"),
    (3, "", "Hello {contact_name},\n\nonce more: {lapsed}?\n\n{owner}"),
)

INSERT = """
INSERT INTO {table} ({columns})
VALUES ({values})
ON CONFLICT DO NOTHING
"""


class World:
    """Writes what the signals service owns, as its handlers would."""

    def __init__(self, organization: str) -> None:
        self.organization = organization
        self._insert("settings_versions", version=1, settings=Jsonb(SETTINGS), saved_by="test")

    def run(
        self,
        number: int = 1,
        *,
        as_of: date = RUN_DAY,
        at: datetime = RUN_AT,
        complete: bool = True,
    ) -> None:
        completed_at = at if complete else None
        row = {"number": number, "as_of": as_of, "settings_version": 1, "reason": "digest"}
        self._insert("runs", **row, requested_at=at, completed_at=completed_at)

    def account(self, account: str, **changed: Any) -> None:
        self._insert(
            "accounts", account=account, **{"name": account.title(), "owner": "dk"} | changed
        )

    def contact(
        self,
        account: str,
        email: str | None,
        *,
        primary: bool = True,
        name: str | None = "Ana Ruiz",
    ) -> str:
        contact = f"C-{account}-{'1' if primary else '2'}"
        row = {"contact": contact, "account": account, "email": email, "name": name}
        self._insert("contacts", **row, is_primary=primary, revision=1)
        return contact

    def order(
        self,
        account: str,
        on: date,
        *lines: tuple[str | None, str | None, str | None, str | None, int],
        **changed: Any,
    ) -> None:
        """Lines are (product, od, grade, quantity, cents), texts as sent."""
        products, ods, grades, quantities, cents = (
            list(column) for column in zip(*lines, strict=True)
        )
        arrays = {
            "products": products,
            "ods": ods,
            "grades": grades,
            "quantities": quantities,
            "revenues_cents": cents,
        }
        row = {
            "account": account,
            "order_id": f"SO-{account}-{on}",
            "ordered_on": on,
            "counts_on": on,
            "revision": 1,
        }
        rest = {
            "content": b"",
            "cancelled": False,
            "accepted_at": RUN_AT - timedelta(days=1),
            "source_offset": 1,
        }
        self._insert("orders", **row | arrays | rest | changed)

    def signal(
        self,
        account: str,
        figures: Figures,
        *,
        od: str | None = None,
        grade: str | None = None,
        run: int = 1,
        **changed: Any,
    ) -> None:
        kind = figures.__struct_config__.tag
        values = {name: getattr(figures, name) for name in figures.__struct_fields__}
        plain = {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in values.items()
        }
        row = {
            "signal": signal_id(self.organization, account, str(kind), od, grade),
            "account": account,
            "type": kind,
            "od": od,
            "grade": grade,
            "detected_at": RUN_AT,
            "last_seen_at": RUN_AT,
            "episode": 1,
            "opened_on": RUN_DAY,
            "as_of": RUN_DAY,
            "settings_version": 1,
            "run": run,
            "lifetime_revenue_cents": 10_000_000,
            "figures": Jsonb(plain),
            "source_offset": 1,
        }
        self._insert("signals", **row | changed)

    def lapse(
        self,
        account: str,
        od: str | None = "5.5",
        grade: str | None = "J55",
        cents: int = 7_310_000,
        **changed: Any,
    ) -> None:
        figures = LapseFigures(
            days_silent=94,
            last_ordered_on=date(2026, 8, 21),
            lapsed_revenue_cents=cents,
            distinct_months=5,
        )
        self.signal(account, figures, od=od, grade=grade, **changed)

    def sequence(self, sequence: str, state: str) -> None:
        row = {"sequence": sequence, "digest": "earlier", "signal_type": "lapse", "name": sequence}
        launched = {} if state == "draft" else {"launched_at": RUN_AT, "sender": SENDER}
        self._insert("sequences", **row, state=state, drafted_at=RUN_AT, **launched)

    def suppress(self, email: str) -> None:
        self._insert("suppressions", email=email, reason="unsubscribed", at=RUN_AT)

    def enrollment(
        self, sequence: str, account: str, contact: str, state: str = "active", **changed: Any
    ) -> None:
        row = {
            "sequence": sequence,
            "account": account,
            "contact": contact,
            "state": state,
            "enrolled_at": RUN_AT,
        }
        rest = {"digest": "earlier", "signal_type": "lapse", "seen_at": RUN_AT - timedelta(days=7)}
        self._insert("enrollments", **row | rest | changed)

    def refused(self, email: str) -> None:
        row = {"email": email.lower(), "reason": "undeliverable", "answer": "550 no such user"}
        self._insert("refusals", **row, at=RUN_AT)

    def member(self, email: str, *, proven: bool = True) -> None:
        self._insert("members", email=email, role="owner")
        if proven:
            self._insert("senders", email=email, proven_at=RUN_AT)

    def sending(self, **settings: Any) -> None:
        """Letters leave at any hour and without a pause, where nothing else is said."""
        self._insert("sender_domains", domain="three-forks.example", allowed_at=RUN_AT)
        plain = AT_ONCE | settings
        self._insert("sending_settings", settings=Jsonb(plain), saved_at=RUN_AT, saved_by="test")

    def draft(
        self,
        sequence: str,
        *accounts: str,
        steps: Sequence[tuple[int, str, str]] = STEPS,
        state: str = "launched",
    ) -> None:
        """A lapse draft with one contact of each account, launched already where nothing else is
        said; the worker has not heard of it.
        """
        self.sequence(sequence, state)
        for position, (wait, subject, body) in enumerate(steps, start=1):
            row = {"position": position, "wait_days": wait, "subject": subject, "body": body}
            self._insert("sequence_steps", sequence=sequence, **row)
        for account in accounts:
            self.account(account)
            contact = self.contact(account, f"{account}@{account}.example")
            self.enrollment(sequence, account, contact, "enrolled", digest=sequence)

    def enrollments(self) -> list[dict[str, Any]]:
        """All of the organization, of drafts first."""
        columns = (
            "sequence",
            "digest",
            "signal_type",
            "account",
            "contact",
            "state",
            "reason",
            "variables",
        )
        with db.connect() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(columns)} FROM enrollments "
                "WHERE organization = %s ORDER BY signal_type, account",
                (self.organization,),
            ).fetchall()
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def _insert(self, table: str, **row: Any) -> None:
        named = {"organization": self.organization} | row
        values = ", ".join(f"%({column})s" for column in named)
        statement = INSERT.format(table=table, columns=", ".join(named), values=values)
        with db.connect() as connection:
            connection.execute(statement.encode(), named)
