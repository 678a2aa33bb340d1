"""The fence: whoever owned a partition before writes nothing from the moment on at which another
takes it, and leaves.
"""

import json
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from services.detector.app import build
from services.detector.leaving import FAILED
from shared import broker, kafka
from shared.health import Readiness
from shared.settings import settings
from shared.topics import DETECTOR_APP, STATE_CHANGELOG, STATE_TABLE
from tests.stack_fixtures import Stack

CSV = "order,account,ordered_on,revenue\n{}\n"


def test_a_detector_whose_partition_was_taken_saves_nothing_more_leaves_and_the_next_one_has_it_all(
    services: Stack, organization: str, tmp_path: Path
) -> None:
    def bring(*rows: str) -> None:
        file = tmp_path / "orders.csv"
        file.write_text(CSV.format("\n".join(rows)))
        services.winback("import", "orders", str(file), "--organization", organization)

    bring("O-1,A-1,2026-01-05,10.00")
    services.winback("wait", "--organization", organization)
    partition = kafka.partition_of(organization)
    pid = services.wait_ready("detector")
    said = len(services.log())
    end = take_from_its_owner(partition)

    bring("O-2,A-1,2026-01-06,20.00")
    services.wait_ready("detector", other_than=pid)
    ended = services.log()[said:]
    assert f"detector: ended with {FAILED}" in ended
    assert "ProducerFenced" in ended
    services.winback("wait", "--organization", organization)
    assert kafka.end_offset(STATE_CHANGELOG, partition) > end  # by the next owner
    audit = json.loads(services.winback("audit", "--organization", organization, "--json").stdout)
    assert audit["differences"] == []


def test_no_detector_keeps_a_copy_of_what_another_has_not_committed(
    stack: Stack, tmp_path: Path
) -> None:
    """Faust's standbys read uncommitted rows into their disk: after a takeover they
    would be in no changelog.
    """
    app: Any = build(Readiness(), broker.by_folder(tmp_path))
    assert app.conf.table_standby_replicas == 0
    assert app.assignor.replicas == 0


def take_from_its_owner(partition: int) -> int:
    """What the next owner does first. Returns where the changelog ends then."""
    name = f"{DETECTOR_APP}-{STATE_TABLE}-{partition}"
    Producer({"bootstrap.servers": settings().kafka, "transactional.id": name}).init_transactions(
        30
    )
    return kafka.end_offset(STATE_CHANGELOG, partition)
