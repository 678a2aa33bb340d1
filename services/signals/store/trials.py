"""What thresholds are tried out on: the orders of an organization in one pass, as
`services.signals.trial.columns` reads them.
"""

from services.signals.store.orders import DISTINCT_ODS
from shared import db
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings

SET_PATIENCE = "SELECT set_config('statement_timeout', %s, true)"

# Rows are made by all cores: what leaves a worker costs little beside what it takes to make it.
IN_PARALLEL = (
    "SELECT set_config('parallel_tuple_cost', '0.001', true), set_config('jit', 'off', true)"
)

# Of an order its lines, with U+001F between them.
ORDERS = """
COPY (
    SELECT
        account,
        counts_on - date '1970-01-01',
        {ods},
        {grades},
        array_to_string(revenues_cents, E'\\x1f')
    FROM orders
    WHERE organization = %(organization)s
      AND NOT cancelled{narrowed}
) TO STDOUT (FORMAT csv)
"""

OF_ACCOUNTS = """
      AND account = ANY(%(accounts)s)"""

# Rows carry the offset of the record that touched them last, and rows of a batch become
# visible together: what comes later has a greater one. A tenant that was removed and made anew
# began at another time.
POSITION = """
SELECT
    o.created_at::text,
    coalesce((SELECT max(touched_offset) FROM accounts a WHERE a.organization = o.organization), -1)
FROM organizations o
WHERE o.organization = %s
"""

TOUCHED = """
SELECT account
FROM accounts
WHERE organization = %s
  AND touched_offset > %s
"""

TEXTS = "array_to_string({column}, E'\\x1f', '')"

# For texts that hold a U+001F: it becomes a U+001E, as blank as it is.
TEXTS_WITH_SEPARATORS = """(
    SELECT string_agg(translate(coalesce(text, ''), E'\\x1f', E'\\x1e'), E'\\x1f' ORDER BY place)
    FROM unnest({column}) WITH ORDINALITY AS line (text, place)
)"""

ACTIVE = """
SELECT
    account,
    type,
    od,
    grade
FROM signals
WHERE organization = %s
  AND recovered_at IS NULL
"""

NAMES = """
SELECT
    account,
    coalesce(name, account)
FROM accounts
WHERE organization = %s
  AND account = ANY(%s)
"""


def set_patience(connection: db.Connection, seconds: float) -> None:
    """No statement of the transaction takes longer: psycopg.errors.QueryCanceled."""
    connection.execute(SET_PATIENCE, (f"{int(seconds * 1000)}ms",))


def orders(
    connection: db.Connection,
    organization: str,
    accounts: list[str] | None = None,
    *,
    with_separators: bool = False,
) -> bytes:
    """Every order that is not cancelled (of `accounts` alone, where they are given), as CSV:
    account, day, od, grade, cents.

    `with_separators`: where texts hold U+001F.
    """
    connection.execute(IN_PARALLEL)
    texts = TEXTS_WITH_SEPARATORS if with_separators else TEXTS
    statement = ORDERS.format(
        ods=texts.format(column="ods"),
        grades=texts.format(column="grades"),
        narrowed="" if accounts is None else OF_ACCOUNTS,
    )
    found = bytearray()
    values = {"organization": organization, "accounts": accounts}
    with connection.cursor() as cursor, cursor.copy(statement.encode(), values) as copy:
        for part in copy:
            found += part
    return bytes(found)


def position(connection: db.Connection, organization: str) -> tuple[str, int]:
    """(when the organization was made, the offset up to which its orders are in); ("", -1) where
    there is none.
    """
    row = connection.execute(POSITION, (organization,)).fetchone()
    return (str(row[0]), int(row[1])) if row else ("", -1)


def touched(connection: db.Connection, organization: str, offset: int) -> list[str]:
    """The accounts that an order came to, changed in or left behind that offset."""
    return [str(row[0]) for row in connection.execute(TOUCHED, (organization, offset))]


def active(
    connection: db.Connection, organization: str
) -> list[tuple[str, str, str | None, str | None]]:
    """(account, type, od, grade) of each active signal."""
    return [
        (str(row[0]), str(row[1]), row[2], row[3])
        for row in connection.execute(ACTIVE, (organization,))
    ]


def names(connection: db.Connection, organization: str, accounts: list[str]) -> dict[str, str]:
    """account -> name."""
    return {str(row[0]): str(row[1]) for row in connection.execute(NAMES, (organization, accounts))}


def unread_texts(
    connection: db.Connection, organization: str, settings: DetectionSettings
) -> list[str]:
    """Size texts of the orders that cannot be read for certain under the settings."""
    sizes = TaughtSizes(settings.sizes)
    return sorted(
        str(text)
        for (text,) in connection.execute(DISTINCT_ODS, (organization,))
        if read_od(text, sizes).value is None
    )
