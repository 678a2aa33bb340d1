"""Faust as its documentation shows it: one record an order, a stock table,
`table[key] = value` for each.

    python -m bench.peers.naive GROUP STATE TOPIC PARTITIONS

The rules are the project's own (shared/domain), so that only the way of keeping state differs.
"""

import json
import sys
from datetime import date
from fractions import Fraction
from typing import Any

import faust
import msgspec

from shared.domain.detection import explained
from shared.domain.history import Cells, Readings, add, pack, stand
from shared.domain.thresholds import DetectionSettings
from shared.settings import settings
from shared.topics import SIGNALS

GROUP, STATE, SOURCE, PARTITIONS = sys.argv[1:5]

app = faust.App(
    GROUP,
    broker=f"kafka://{settings().kafka}",
    store="rocksdb://",
    datadir=STATE,
    topic_partitions=int(PARTITIONS),
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
source = app.topic(
    SOURCE, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
)
signals = app.topic(SIGNALS.name, value_type=bytes, value_serializer="raw")
accounts = app.Table("accounts", partitions=int(PARTITIONS), options={"driver": "rocksdict"})


@app.on_rebalance_complete.connect
async def say(*_: object, **__: object) -> None:
    print("ready", file=sys.__stdout__, flush=True)  # Faust logs what is printed


@app.agent(source)
async def detect(stream: Any) -> None:
    """An order sets its entry in its account; a run looks at every account of its organization."""
    async for value in stream:
        event = json.loads(value)
        if event.get("type") == "RunRequested":
            await run(event)
            continue
        key = f"{event['organization']}/{event['account']}"
        account = accounts.get(key) or {}
        version = [event["revision"], event["content"]]
        known = account.get(event["order"])
        if known is None or version > known[:2]:
            day = date.fromisoformat(event["counts_on"]).toordinal()
            lines = (
                []
                if event.get("cancelled")
                else [[one["od"], one["grade"], one["revenue_cents"]] for one in event["lines"]]
            )
            account[event["order"]] = [*version, day, lines]
            accounts[key] = account


async def run(event: dict[str, object]) -> None:
    """Classify, as of the run's day."""
    of = msgspec.convert(event["settings"], DetectionSettings)
    on = date.fromisoformat(str(event["as_of"])).toordinal()
    readings = Readings(of)
    refs: dict[tuple[str, str], int] = {}
    prefix = f"{event['organization']}/"
    for key, account in accounts.items():
        if not key.startswith(prefix):
            continue
        cells: Cells = {}
        for _, _, day, lines in account.values():
            for od, grade, cents in lines:
                ref = refs.setdefault((od, grade), len(refs))
                add(cells, ref, day, pack(cents, positive=cents > 0))
        readings.extend(list(refs))
        standing = stand(cells, readings, of, on=on)
        for signal, figures in explained(standing, of, cells, Fraction(4, 5)).items():
            combo = {"od": signal.combo.od, "grade": signal.combo.grade} if signal.combo else None
            found = {
                "type": "SignalOpened", "organization": event["organization"],
                "account": key.removeprefix(prefix), "signal_type": signal.type, "combo": combo,
                "figures": msgspec.to_builtins(figures),
            }  # fmt: skip
            await signals.send(value=json.dumps(found).encode())
    await signals.send(
        value=json.dumps({"type": "RunCompleted", "organization": event["organization"]}).encode()
    )


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "-l", "error", "--without-web"]
    app.main()
