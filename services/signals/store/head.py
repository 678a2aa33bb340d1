"""An organization as the head of every page says it: name, money, zone, how fresh it is."""

from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from shared import db
from shared.domain.typed_numbers import NumberStyle
from shared.wording import number_style

HEAD = """
SELECT
    o.name,
    o.currency,
    o.timezone,
    o.locale,
    f.last_accepted_at,
    r.as_of,
    r.completed_at,
    r.accounts
FROM organizations o
LEFT JOIN feeds f USING (organization)
LEFT JOIN LATERAL (
    SELECT
        as_of,
        completed_at,
        accounts
    FROM runs
    WHERE organization = o.organization
      AND completed_at IS NOT NULL
    ORDER BY number DESC
    LIMIT 1
) r ON true
WHERE o.organization = %s
"""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The organization as every page's head says it."""

    name: str
    currency: str
    timezone: str
    locale: str
    last_accepted_at: datetime | None
    as_of: date | None
    completed_at: datetime | None
    accounts: int | None

    @property
    def style(self) -> NumberStyle:
        """How its people type numbers and amounts."""
        return number_style(self.currency, self.locale)


def find(connection: db.Connection, organization: str) -> Head | None:
    """None: there is no such organization."""
    with connection.cursor(row_factory=class_row(Head)) as cursor:
        return cursor.execute(HEAD, (organization,)).fetchone()
