"""Records that ended processes and were put aside, as the doctor sees them."""

from collections.abc import Iterator

import psycopg

from shared import db, dead_letters
from shared.errors import NotFound, Retryable
from winback.doctor.findings import Finding, good, wrong

NAME = "quarantined records"


def look() -> Iterator[Finding]:
    """Nothing where Kafka or PostgreSQL cannot say it: that is another finding."""
    try:
        with db.connect() as connection:
            replayed = dead_letters.replays(connection)
        lacking = [
            letter
            for letter in dead_letters.read_all(None)
            if letter.ends and letter.place not in replayed
        ]
    except (NotFound, Retryable, psycopg.Error):
        return
    if not lacking:
        yield good(NAME, "none that waits for its replay")
        return
    ids = ", ".join(letter.id for letter in lacking[:5])
    yield wrong(
        NAME,
        f"{len(lacking)} ended a process three times and are lacking: {ids}",
        "Upgrade to what mends it, then `winback dead-letters replay ID`; "
        "docs/operations.md#recordquarantined.",
    )
