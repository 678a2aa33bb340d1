"""What one box finds beside accounts: orders by their numbers, people at accounts, products."""

from dataclasses import dataclass
from datetime import date

from psycopg.rows import class_row

from services.signals.store.account_filter import folded_words
from shared import db

# Numbers that begin with what was typed, in the case that it was typed in, or all large or small;
# the number itself first.
ORDERS = """
SELECT
    found.order_id,
    found.account,
    a.name,
    found.counts_on,
    found.net_cents,
    found.cancelled
FROM unnest(%(typed)s::text[]) WITH ORDINALITY AS typed (text, place)
CROSS JOIN LATERAL (
    SELECT *
    FROM orders o
    WHERE o.organization = %(organization)s
      AND o.order_id >= typed.text
      AND o.order_id < typed.text || chr(1114111)
    ORDER BY o.order_id
    LIMIT %(most)s
) AS found
LEFT JOIN accounts a ON a.organization = %(organization)s AND a.account = found.account
ORDER BY found.order_id <> typed.text, typed.place, found.order_id
LIMIT %(most)s
"""

# The longest word leads: fewest have it.
PEOPLE = """
SELECT
    c.contact,
    c.account,
    c.name,
    c.email,
    a.name AS account_name
FROM (
    SELECT DISTINCT w.contact
    FROM contact_words w
    WHERE w.organization = %(organization)s
      AND w.word >= %(leading)s
      AND w.word < %(leading)s || chr(1114111)
      AND NOT EXISTS (
          SELECT
          FROM unnest(%(others)s::text[]) AS other (word)
          WHERE NOT EXISTS (
              SELECT
              FROM contact_words v
              WHERE v.organization = %(organization)s
                AND v.contact = w.contact
                AND v.word >= other.word
                AND v.word < other.word || chr(1114111)
          )
      )
    LIMIT %(most)s
) AS found
JOIN contacts c ON c.organization = %(organization)s AND c.contact = found.contact
LEFT JOIN accounts a ON a.organization = c.organization AND a.account = c.account
ORDER BY c.name, c.email, c.contact
"""


@dataclass(frozen=True, kw_only=True)
class FoundOrder:
    """An order by its number."""

    order_id: str
    account: str
    name: str | None
    counts_on: date
    net_cents: int
    cancelled: bool


@dataclass(frozen=True, kw_only=True)
class FoundPerson:
    """Somebody at an account."""

    contact: str
    account: str
    name: str | None
    email: str | None
    account_name: str | None


def orders(
    connection: db.Connection, organization: str, typed: str, *, most: int
) -> list[FoundOrder]:
    """By the beginning of their numbers."""
    texts = list(dict.fromkeys((typed, typed.upper(), typed.lower())))
    values = {"organization": organization, "typed": texts, "most": most}
    with connection.cursor(row_factory=class_row(FoundOrder)) as cursor:
        found = cursor.execute(ORDERS, values).fetchall()
    return list({one.order_id: one for one in found}.values())


def people(
    connection: db.Connection, organization: str, typed: str, *, most: int
) -> list[FoundPerson]:
    """By words of name, address, telephone number and id."""
    words = sorted({word for word, _ in folded_words(connection, (typed,))}, key=len)
    if not words:
        return []
    values = {
        "organization": organization,
        "leading": words[-1],
        "others": words[:-1],
        "most": most,
    }
    with connection.cursor(row_factory=class_row(FoundPerson)) as cursor:
        return cursor.execute(PEOPLE, values).fetchall()
