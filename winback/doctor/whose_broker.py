"""Whether the broker that answers is ours, as the doctor sees it."""

from collections.abc import Iterator

import psycopg

from shared import broker, broker_store, db
from shared.errors import Retryable
from winback.doctor.findings import Finding, judged, note


def look(answers: str) -> Iterator[Finding]:
    """`answers`: the cluster of the broker that does. Nothing where PostgreSQL cannot say which is
    ours: that is another finding.
    """
    try:
        with db.connect("winback_app") as connection:
            ours = broker_store.noted(connection)
    except (Retryable, psycopg.Error):
        return
    if ours is None:
        yield note("kafka cluster", "nobody has noted which is ours", "`winback topics` does.")
        return
    yield judged(
        "kafka cluster",
        answers == ours,
        "ours" if answers == ours else broker.stranger(answers, ours),
        "Set WINBACK_KAFKA to our own, or see docs/operations.md: Whose broker.",
    )
