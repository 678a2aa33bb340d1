"""Records as the topics bring them, built with keywords; tables read back whole."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import msgspec

from shared import db, kafka
from shared.domain.thresholds import DEFAULTS
from shared.events import (
    Combo,
    DormantFigures,
    Figures,
    LapseFigures,
    Line,
    Order,
    OrdersAccepted,
    Resolution,
    RunCompleted,
    RunRequested,
    SignalOpened,
    SignalRecovered,
    SignalSeen,
    SignalType,
)
from shared.ids import signal_id
from shared.records import Record

ACCEPTED_AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def order(
    organization: str,
    order_id: str,
    *,
    account: str = "A1",
    on: date = date(2026, 3, 1),
    counts_on: date | None = None,
    revision: int = 1,
    content: str = "first",
    revision_given: bool = True,
    cancelled: bool = False,
    lines: Sequence[Line] = (Line(revenue_cents=10_000, product="pipe", od="5 1/2", grade="J-55"),),
    account_name: str | None = None,
    owner: str | None = None,
) -> Order:
    """`content` stands for what was sent: two texts are two contents."""
    return Order(
        organization=organization,
        order=order_id,
        account=account,
        ordered_on=on,
        counts_on=counts_on or on,
        revision=revision,
        content=hashlib.sha256(content.encode()).hexdigest(),
        lines=tuple(lines),
        revision_given=revision_given,
        cancelled=cancelled,
        account_name=account_name,
        owner=owner,
    )


def block(*orders: Order, offset: int = 0, accepted_at: datetime = ACCEPTED_AT) -> Record:
    """One record of `orders`."""
    return record(
        "orders",
        OrdersAccepted(accepted_at=accepted_at, orders=orders),
        orders[0].organization,
        offset,
    )


def record(
    topic: str, event: msgspec.Struct, organization: str, offset: int, *, at: datetime = ACCEPTED_AT
) -> Record:
    return Record(
        topic=topic,
        partition=kafka.partition_of(organization),
        offset=offset,
        at=at,
        key=organization.encode(),
        value=msgspec.json.encode(event),
        headers=[],
        event=event,
    )


def requested(
    organization: str, number: int, *, as_of: date = date(2026, 3, 2), offset: int = 0
) -> RunRequested:
    return RunRequested(
        organization=organization,
        number=number,
        as_of=as_of,
        settings_version=1,
        settings=DEFAULTS,
        reason="manual",
        requested_at=ACCEPTED_AT,
    )


def completed(
    organization: str,
    number: int,
    *,
    offset: int,
    as_of: date = date(2026, 3, 2),
    repeated: bool = False,
    accounts: int = 7,
) -> RunCompleted:
    return RunCompleted(
        id=f"run-{number}-{offset}",
        organization=organization,
        number=number,
        as_of=as_of,
        settings_version=1,
        at=ACCEPTED_AT + timedelta(minutes=offset),
        source_offset=offset,
        accounts=0 if repeated else accounts,
        evaluated=0 if repeated else accounts,
        opened=0,
        seen=0,
        recovered=0,
        repeated=repeated,
    )


def signal_event(
    kind: Literal["opened", "seen"],
    organization: str,
    *,
    offset: int,
    account: str = "A1",
    combo: Combo | None = None,
    episode: int = 1,
    as_of: date = date(2026, 3, 2),
    opened_on: date | None = None,
    run: int = 1,
    lifetime: int = 20_000_000,
) -> SignalOpened | SignalSeen:
    """A dormant signal, or a lapse where a combo is given. `at` grows with the
    offset: a minute a record.
    """
    type_: SignalType = "lapse" if combo else "dormant"
    figures: Figures = (
        LapseFigures(
            days_silent=90,
            last_ordered_on=date(2025, 12, 1),
            lapsed_revenue_cents=7_000_000,
            distinct_months=4,
        )
        if combo
        else DormantFigures(
            days_inactive=90 + offset,
            last_ordered_on=date(2025, 12, 1),
            lifetime_revenue_cents=lifetime,
            last_year_revenue_cents=5_000_000,
        )
    )
    event = SignalOpened if kind == "opened" else SignalSeen
    return event(
        id=f"{kind}-{offset}",
        organization=organization,
        account=account,
        signal=_id(organization, account, type_, combo),
        signal_type=type_,
        combo=combo,
        episode=episode,
        opened_on=opened_on or as_of,
        at=ACCEPTED_AT + timedelta(minutes=offset),
        source_offset=offset,
        run=run,
        as_of=as_of,
        settings_version=1,
        lifetime_revenue_cents=lifetime,
        figures=figures,
    )


def recovered(
    organization: str,
    *,
    offset: int,
    account: str = "A1",
    combo: Combo | None = None,
    episode: int = 1,
    opened_on: date = date(2026, 3, 2),
    closed_on: date = date(2026, 3, 9),
    resolution: Resolution = "reordered",
    order_id: str | None = "SO-1",
) -> SignalRecovered:
    type_: SignalType = "lapse" if combo else "dormant"
    return SignalRecovered(
        id=f"recovered-{offset}",
        organization=organization,
        account=account,
        signal=_id(organization, account, type_, combo),
        signal_type=type_,
        combo=combo,
        episode=episode,
        opened_on=opened_on,
        at=ACCEPTED_AT + timedelta(minutes=offset),
        source_offset=offset,
        run=None,
        closed_on=closed_on,
        resolution=resolution,
        order=order_id,
    )


def _id(organization: str, account: str, type_: SignalType, combo: Combo | None) -> str:
    return signal_id(
        organization, account, type_, combo.od if combo else None, combo.grade if combo else None
    )


TABLES = (
    "orders",
    "accounts",
    "contacts",
    "feeds",
    "runs",
    "signals",
    "episodes",
    "sequences",
    "sequence_steps",
)


def tables(connection: db.Connection, organization: str) -> dict[str, list[Any]]:
    """Every row of the organization in what the consumer writes."""
    return {
        table: [
            row[0]
            for row in connection.execute(
                f"SELECT to_jsonb(t) FROM {table} t WHERE organization = %s "
                "ORDER BY to_jsonb(t)::text",
                (organization,),
            )
        ]
        for table in TABLES
    }


def rows(connection: db.Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    return list(connection.execute(query.encode(), values))
