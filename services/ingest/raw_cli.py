"""`winback raw check`: what the records of a connector become under a mapping, without Kafka and
PostgreSQL.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from services.ingest.raw_orders import KnownOrder, Taken
    from shared.records import Record

MOST_BYTES = 100_000_000  # of a file of samples

app = typer.Typer(no_args_is_help=True, help="Raw topics: what connectors write, by a mapping.")


@app.callback()
def raw() -> None:
    """Raw topics: what connectors write, by a mapping."""


@app.command("check")
def check(
    samples: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            help="Records: one JSON document, one a line, or as `kcat -C -J` prints them (with "
            "their keys).",
        ),
    ],
    map_file: Annotated[Path, typer.Option("--map", help="The mapping of the topic, JSON.")],
    currency: Annotated[str, typer.Option("--currency", help="Of the organization.")] = "USD",
    timezone: Annotated[str, typer.Option("--timezone", help="Of the organization.")] = "UTC",
    as_json: Annotated[bool, typer.Option("--json", help="Print each answer as JSON.")] = False,
) -> None:
    """Check a mapping, and say of each sample what it becomes: the order as it would go in, or what
    is wrong with it, by field and place. Nothing is sent. Exit code 1 where a record is refused.

    Example: winback raw check --map shop.json records.jsonl --timezone America/Chicago
    """
    from services.ingest.acceptance import Terms
    from services.ingest.raw_mapping import read_raw_mapping
    from services.ingest.raw_orders import Batch
    from shared import clock
    from shared.domain.currencies import CURRENCIES
    from shared.errors import FieldError, Rejected

    mapping = read_raw_mapping(map_file)
    if currency.upper() not in CURRENCIES:
        raise Rejected(FieldError(field="--currency", reason="is no currency of ISO 4217"))
    terms = Terms(
        organization="check",
        currency=currency.upper(),
        timezone=_zone(timezone),
        accepted_at=clock.now(),
    )
    kept = Kept()
    is_refused = False
    for record in _records(samples):
        batch = Batch(mapping, kept, topic="check", most_levels=500)
        taken = batch.take(record, terms)
        ended = [taken, *(one for _, one in batch.ended())]
        is_refused |= any(one.wrong for one in ended)
        print(_as_json(record, ended) if as_json else _in_words(record, ended))
    if is_refused:
        sys.exit(1)


@dataclass(kw_only=True)
class Kept:
    """`raw_orders.Known` for as long as the verb runs."""

    orders: dict[tuple[str, str], "KnownOrder"] = field(default_factory=dict)

    def find(self, organization: str, order: str) -> "KnownOrder | None":
        return self.orders.get((organization, order))

    def put(self, organization: str, order: str, known: "KnownOrder") -> None:
        self.orders[organization, order] = known


def _zone(name: str) -> str:
    from zoneinfo import ZoneInfo

    from shared.errors import FieldError, Rejected

    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, KeyError):
        raise Rejected(FieldError(field="--timezone", reason=f"{name} is no time zone")) from None


def _records(paths: list[Path]) -> Iterator["Record"]:
    from shared import clock
    from shared.records import Record

    samples = (one for path in paths for one in _samples(path))
    for number, (key, value) in enumerate(samples):
        yield Record(
            topic="check",
            partition=0,
            offset=number,
            at=clock.now(),
            key=key,
            value=value,
            headers=[],
            event=None,
        )


def _samples(path: Path) -> Iterator[tuple[bytes | None, bytes | None]]:
    """(key, value) of each record of a file. Raises Rejected."""
    from shared.errors import FieldError, Rejected

    try:
        if path.stat().st_size > MOST_BYTES:
            raise Rejected(
                FieldError(field="FILE", reason=f"{path} is larger than {MOST_BYTES} bytes")
            )
        body = path.read_bytes()
    except OSError as error:
        raise Rejected(
            FieldError(field="FILE", reason=f"{path} cannot be read: {error.strerror}")
        ) from None
    try:
        json.loads(body)
    except ValueError:
        lines = [line for line in body.splitlines() if line.strip()]
    else:
        lines = [body.strip()]
    for line in lines:
        yield _of_kcat(line) or (None, line)


def _of_kcat(line: bytes) -> tuple[bytes | None, bytes | None] | None:
    """The key and the value of a record as `kcat -J` prints it; None where it is none."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or not {"topic", "offset", "payload"} <= found.keys():
        return None
    return _bytes(found.get("key")), _bytes(found["payload"])


def _bytes(value: Any) -> bytes | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")


def _as_json(record: "Record", ended: list["Taken"]) -> str:
    wrong = [{"field": error.field, "reason": error.reason} for one in ended for error in one.wrong]
    warnings = [
        {"field": warning.field, "reason": warning.reason}
        for one in ended
        for accepted in one.accepted
        for warning in accepted.warnings
    ]
    orders = [json.loads(accepted.encoded) for one in ended for accepted in one.accepted]
    return json.dumps(
        {"record": record.offset + 1, "orders": orders, "errors": wrong, "warnings": warnings}
    )


def _in_words(record: "Record", ended: list["Taken"]) -> str:
    from shared.events import Order

    said = []
    for one in ended:
        for error in one.wrong:
            said.append(f"refused: {error.field}: {error.reason}")
        for accepted in one.accepted:
            order = accepted.event
            assert isinstance(order, Order)
            state = "cancelled" if order.cancelled else f"{len(order.lines)} lines"
            cents = sum(line.revenue_cents for line in order.lines)
            said.append(
                f"order {order.order} of {order.account} on {order.ordered_on}, {state}, "
                f"{cents:,} minor units, revision {order.revision}"
            )
            said += [f"  warning: {one.field}: {one.reason}" for one in accepted.warnings]
    text = "\n  ".join(said) or "nothing new"
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
    return f"record {record.offset + 1}: {shown}"
