"""Digests that people ask for, for themselves alone: the console writes them down, the clock makes
ticks of them.
"""

from dataclasses import dataclass
from datetime import datetime

from shared import db
from shared.ids import derived

INSERT_REQUEST = """
INSERT INTO digest_requests (organization, request, email, asked_at)
VALUES (%(organization)s, %(request)s, %(email)s, %(asked_at)s)
ON CONFLICT DO NOTHING
"""

OPEN_REQUESTS = """
SELECT
    q.organization,
    q.request,
    q.email,
    q.asked_at,
    (
        SELECT max(number)
        FROM runs
        WHERE organization = q.organization
          AND completed_at IS NOT NULL
    )
FROM digest_requests q
WHERE q.ticked_at IS NULL
ORDER BY q.asked_at, q.organization
LIMIT 100
"""

SET_TICKED = """
UPDATE digest_requests
SET ticked_at = %(at)s
WHERE organization = %(organization)s
  AND request = %(request)s
"""


@dataclass(frozen=True, kw_only=True)
class DigestRequest:
    """Someone's wish for a digest; `run` is the latest complete one, if any."""

    organization: str
    request: str
    email: str
    asked_at: datetime
    run: int | None

    @property
    def slot(self) -> str:
        """A slot of its own: the tick may come twice, the digest does not."""
        return derived("slot", self.organization, "request", self.request)


def ask(connection: db.Connection, organization: str, email: str, *, at: datetime) -> None:
    """Once a second at most for an address. The caller tells the clock."""
    request = derived("digest request", organization, email, at.replace(microsecond=0).isoformat())
    connection.execute(
        INSERT_REQUEST,
        {"organization": organization, "request": request, "email": email, "asked_at": at},
    )


def open_requests(connection: db.Connection) -> list[DigestRequest]:
    """Those whose ticks are not out, the oldest first."""
    return [
        DigestRequest(
            organization=organization, request=request, email=email, asked_at=asked_at, run=run
        )
        for organization, request, email, asked_at, run in connection.execute(OPEN_REQUESTS)
    ]


def set_ticked(connection: db.Connection, request: DigestRequest, *, at: datetime) -> None:
    """Its tick is in Kafka."""
    connection.execute(
        SET_TICKED, {"organization": request.organization, "request": request.request, "at": at}
    )
