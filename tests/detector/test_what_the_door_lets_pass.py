"""Whatever the door lets pass, of orders and of settings, the shared process takes: folded, run
over, saved and encoded, with no other error. The values are the ends of what each field can be.
"""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.detector.app import encode
from services.detector.partition import Partition
from services.ingest.acceptance import accept_order
from services.ingest.bodies import read_json
from shared.domain.thresholds import DEFAULTS, DetectionSettings, checked
from shared.errors import Rejected
from shared.events import Order, OrdersAccepted, OrdersRecord, RunRequested
from tests.detector.logs import DictStore
from tests.ingest.test_acceptance import ORDER, TERMS

pytestmark = pytest.mark.slow

TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)
GOOD = st.sampled_from(
    ["0", "0.01", "1", "-1", "99999999999.99", "100000000000.00", "-100000000000.00"]
)
NUMBERS = (
    GOOD
    | st.sampled_from(
        [
            "1e14",
            "1" * 32,
            "1_0",
            "5__0",
            "NaN",
            "Infinity",
            "+5",
            ".5",
            "5.",
            "٣",
            "½",
            "-0",
            "0.005",
        ]
    )
    | st.sampled_from([10**18, 2**63, -(2**63), 2**64, 1e308, 0, 1, -1])
)
DAYS = st.sampled_from(
    ["1900-01-01", "1970-01-01", "2000-02-29", "2026-03-30", "2026-03-31", "2026-04-01"]
) | st.sampled_from(["0001-01-01", "1899-12-31", "9999-12-31"])
SIZES = TEXTS | st.sampled_from(
    ["5__0", '7"', "5 1/2 in", "5 1/2", "5.5", "0.0001", "1/0", "0/1", "1e5", "9" * 30]
)
LINES = st.fixed_dictionaries(
    {"product": st.just("P"), "revenue": GOOD | GOOD | NUMBERS},
    optional={"od": SIZES, "grade": TEXTS, "quantity": GOOD | NUMBERS},
)
ORDERS = st.fixed_dictionaries(
    {
        "order": st.sampled_from(["O-1", "O-2", "O-3"]),
        "account": st.sampled_from(["A-1", "A-2"]),
        "ordered_on": DAYS,
        "lines": st.lists(LINES, min_size=1, max_size=4),
    },
    optional={
        "revision": st.sampled_from([1, 2, 10**18, 2**63, -1]),
        "status": st.sampled_from(["cancelled", "open", None]),
    },
)
VALUES = NUMBERS | TEXTS | st.booleans() | st.none()
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        **{
            kind: st.dictionaries(st.sampled_from(sorted(fields)), VALUES, max_size=4)
            for kind, fields in msgspec.to_builtins(DEFAULTS).items()
            if isinstance(fields, dict) and fields
        },
        "sizes": st.dictionaries(SIZES, SIZES, max_size=3),
        "grades": st.dictionaries(TEXTS, TEXTS, max_size=3),
    },
)
ALL_ON: dict[str, Any] = {
    "dormant": {"minimum_lifetime_revenue_cents": 0},
    "lapse": {"enabled": True, "minimum_revenue_cents": 0, "minimum_months": 1},
    "cherry_picking": {"enabled": True, "minimum_revenue_cents": 0},
}


def let_pass(bodies: list[dict[str, Any]]) -> list[Order]:
    passed: list[Order] = []
    for body in bodies:
        try:
            event = accept_order(read_json(json.dumps(ORDER | body).encode()), TERMS).event
        except Rejected:
            continue
        assert isinstance(event, Order)
        passed.append(event)
    return passed


def kept(patch: dict[str, Any]) -> DetectionSettings:
    for one in (ALL_ON | patch, patch, ALL_ON):
        try:
            return checked(one, DEFAULTS)
        except Rejected:
            continue
    return DEFAULTS


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(ORDERS, max_size=4), min_size=1, max_size=4), SETTINGS)
def test_no_order_and_no_setting_that_the_door_lets_pass_ends_the_detector(
    blocks: list[list[dict[str, Any]]], patch: dict[str, Any]
) -> None:
    disk = DictStore()
    partition = Partition(disk)
    decoder = msgspec.json.Decoder(OrdersRecord)
    at, offset = TERMS.accepted_at, 0
    for number, bodies in enumerate(blocks, start=1):
        run = RunRequested(
            organization=TERMS.organization, number=number, settings_version=number,
            as_of=at.date() + timedelta(days=number), settings=kept(patch), reason="manual",
            requested_at=at,
        )  # fmt: skip
        for event in (OrdersAccepted(orders=tuple(let_pass(bodies)), accepted_at=at), run):
            there = decoder.decode(msgspec.json.encode(event))  # as it lies in Kafka
            for caused in partition.apply(there, offset=offset, at=at):
                encode(caused)
            disk.update(partition.flush(keep=1))
            offset += 1
        partition = Partition(disk)  # and all of it is read back
