"""What was ever ordered: products with their sizes and grades, each once, so that a search and a
filter need not look through orders.
"""

from collections.abc import Iterable, Sequence

from services.signals.store.account_filter import folded_words
from shared import db
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings
from shared.events import Order

Good = tuple[str, str, str, str]  # organization, od, grade, product; '' for none

MOST_KNOWN = 200_000  # of all organizations; then all are noted anew, which changes nothing

INSERT = """
INSERT INTO goods (organization, od, grade, product)
SELECT DISTINCT organization, od, grade, product
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])
    AS new (organization, od, grade, product)
ORDER BY organization, od, grade, product
ON CONFLICT DO NOTHING
"""

# One step of the index a text, however many goods have it.
DISTINCT_ODS = """
WITH RECURSIVE found AS (
    (
        SELECT od
        FROM goods
        WHERE organization = %(organization)s
        ORDER BY od
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT g.od
        FROM goods g
        WHERE g.organization = %(organization)s
          AND g.od > found.od
        ORDER BY g.od
        LIMIT 1
    )
    FROM found
    WHERE found.od IS NOT NULL
)
SELECT od
FROM found
WHERE od <> ''
"""

DISTINCT_GRADES = """
SELECT DISTINCT grade
FROM goods
WHERE organization = %(organization)s
  AND grade <> ''
"""

FIND = """
SELECT od, grade, product
FROM goods
WHERE organization = %(organization)s
  AND (%(ods)s::text[] IS NULL OR od = ANY(%(ods)s))
  AND (%(grades)s::text[] IS NULL OR grade = ANY(%(grades)s))
  AND (
      SELECT coalesce(bool_and(strpos(goods.words, word) > 0), true)
      FROM unnest(%(words)s::text[]) AS word
  )
ORDER BY od, grade, product
LIMIT %(most)s
"""

THERE = """
SELECT organization, od, grade, product
FROM goods
JOIN unnest(%s::text[], %s::text[], %s::text[], %s::text[])
    AS noted (organization, od, grade, product) USING (organization, od, grade, product)
"""

# What this process has seen there, and what it noted in a transaction whose end it does not know.
_known: set[Good] = set()
_noted: set[Good] = set()


def note(connection: db.Connection, orders: Iterable[Order]) -> None:
    """What is new among these, in the caller's transaction."""
    if _noted:
        found = connection.execute(THERE, _columns(_noted)).fetchall()
        _noted.clear()
        if len(_known) > MOST_KNOWN:
            _known.clear()
        _known.update(found)
    new = {
        (one.organization, line.od or "", line.grade or "", line.product or "")
        for one in orders
        for line in one.lines
    } - _known
    if new:
        connection.execute(INSERT, _columns(new))
        _noted.update(new)


def _columns(goods: Iterable[Good]) -> list[list[str]]:
    return [list(column) for column in zip(*goods, strict=True)]


def sizes(
    connection: db.Connection, organization: str, settings: DetectionSettings
) -> dict[str, list[str]]:
    """Canonical size -> the texts that were read as it."""
    taught = TaughtSizes(settings.sizes)
    found: dict[str, list[str]] = {}
    for (text,) in connection.execute(DISTINCT_ODS, {"organization": organization}):
        value = read_od(text, taught).value
        if value is not None:
            found.setdefault(str(value), []).append(text)
    return found


def grades(
    connection: db.Connection, organization: str, settings: DetectionSettings
) -> dict[str, list[str]]:
    """Canonical grade -> the texts that were read as it."""
    aliases = TaughtGrades(settings.grade_aliases)
    found: dict[str, list[str]] = {}
    for (text,) in connection.execute(DISTINCT_GRADES, {"organization": organization}):
        value = read_grade(text, aliases)
        if value is not None:
            found.setdefault(value, []).append(text)
    return found


def find(
    connection: db.Connection,
    organization: str,
    *,
    ods: Sequence[str] | None,
    grades: Sequence[str] | None,
    typed: Sequence[str],
    most: int,
) -> list[tuple[str, str, str]]:
    """(od, grade, product), as sent, of what has one of these sizes, one of these grades (None: of
    any), and all words that were typed.
    """
    words = [
        word if is_within else f" {word}" for word, is_within in folded_words(connection, typed)
    ]
    values = {
        "organization": organization,
        "ods": None if ods is None else list(ods),
        "grades": None if grades is None else list(grades),
        "words": words,
        "most": most,
    }
    return [(str(row[0]), str(row[1]), str(row[2])) for row in connection.execute(FIND, values)]
