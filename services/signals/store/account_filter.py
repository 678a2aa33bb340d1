"""Which accounts a filter lets through: its conditions, and which of them an index leads to.

Conditions are put together from the named ones below; values are always parameters. What few have
of the filter's words leads to them; what many have of two words, few may have together: then their
accounts are joined.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, LiteralString

from shared import db
from shared.domain.enrollment import Enrollment

Only = Literal["dormant", "lapse", "cherry_picking", "call"]
State = Literal["paused", "claimed", "lost", "back"]

BACK_DAYS = 30  # so long an account counts as come back
MOST_FOUND = 60_000  # accounts of a word that may lead; a wider search tests rows
MOST_LEADING = 300_000
MOST_WORDS = 5  # of what was typed
KNOWN_SECONDS = 60.0
MOST_KNOWN = 10_000

FLAGGED = "a.dormant + a.lapse + a.cherry_picking > 0"

# Whom the digest would show (shared/domain/enrollment.py says the same).
CALL = (
    "a.enrollment <> 'no' AND a.lost_at IS NULL AND (a.paused_until IS NULL OR a.paused_until "
    "<= %(now)s)"
)

ONLY: dict[Only, str] = {
    "dormant": f"{FLAGGED} AND a.dormant > 0",
    "lapse": f"{FLAGGED} AND a.lapse > 0",
    "cherry_picking": f"{FLAGGED} AND a.cherry_picking > 0",
    "call": f"{FLAGGED} AND {CALL}",
}

# What was typed, as names are kept: folded (migration 0038), then in words; and whether a word is
# of a script without blanks, so that it may begin within another.
FOLDED = """
SELECT found.word, beginnings.most > 1
FROM unnest(%(typed)s::text[]) WITH ORDINALITY AS given (typed, place)
CROSS JOIN LATERAL words_in(folded(given.typed)) WITH ORDINALITY AS found (word, place)
CROSS JOIN LATERAL (
    SELECT count(*) AS most
    FROM beginnings_of(found.word || 'x')
) AS beginnings
ORDER BY given.place, found.place
"""

# A beginning of a word: `words` has a blank before each.
HAS_WORD = "strpos(a.words, ' ' || %({word})s) > 0"

# Of a word of a script that puts no blanks between words.
HAS_WITHIN = "strpos(a.words, %({word})s) > 0"

# The accounts of a word that few have. An array, since for two subqueries PostgreSQL would rather
# read the whole table.
OF_WORD = """a.account = ANY (ARRAY(
    SELECT w.account
    FROM account_words w
    WHERE w.organization = %(organization)s
      AND w.word >= %({word})s
      AND w.word < %({word})s || chr(1114111)
))"""

# The accounts of two words that many have.
OF_BOTH = """a.account = ANY (ARRAY(
    SELECT w.account
    FROM account_words w
    JOIN account_words v USING (organization, account)
    WHERE w.organization = %(organization)s
      AND w.word >= %({word})s
      AND w.word < %({word})s || chr(1114111)
      AND v.organization = %(organization)s
      AND v.word >= lower(%({other})s)
      AND v.word < lower(%({other})s) || chr(1114111)
))"""

LEADING = "a.sort_name >= %({word})s AND a.sort_name < %({word})s || chr(1114111)"

COUNT_WORD = """
SELECT count(*)
FROM (
    SELECT
    FROM account_words
    WHERE organization = %(organization)s
      AND word >= %(word)s
      AND word < %(word)s || chr(1114111)
    LIMIT %(most)s
) AS found
"""

# As many as have a word: all have it at the beginning of their name, and stand together in the
# order of names.
COUNT_LEADING = """
SELECT count(*)
FROM (
    SELECT
    FROM accounts
    WHERE organization = %(organization)s
      AND sort_name >= %(word)s
      AND sort_name < %(word)s || chr(1114111)
    LIMIT %(most)s
) AS beginning
"""

# What was typed, folded: the same for ever.
folds: dict[tuple[str, ...], list[tuple[str, bool]]] = {}

# How many have a word, and when it was counted.
often: dict[tuple[str, str, str, int], tuple[int, float]] = {}


# What people did, and what orders say. Each has few accounts, and an index that leads to them.
STATES: dict[State, str] = {
    "paused": "a.outcome IS NOT NULL AND a.paused_until > %(now)s",
    "claimed": """a.outcome IS NOT NULL AND EXISTS (
        SELECT
        FROM outcomes o
        WHERE o.organization = a.organization
          AND o.outcome = a.outcome
          AND o.kind = 'won_back'
    )""",
    "lost": "a.outcome IS NOT NULL AND a.lost_at IS NOT NULL",
    "back": f"a.came_back_at > %(now)s - interval '{BACK_DAYS} days'",
}


OF_DIGEST = """a.account = ANY (ARRAY(
    SELECT DISTINCT s.account
    FROM published_digests d
    CROSS JOIN LATERAL jsonb_object_keys(d.signals) AS counted (signal)
    JOIN signals s ON s.organization = d.organization AND s.signal = counted.signal
    WHERE d.organization = %(organization)s
      AND d.digest = %(digest)s
))"""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which accounts; all conditions hold at once. `words`: beginnings of words of the name or the
    id, as somebody typed them. `owners`: of one of these, of nobody where there are none.
    `digest`: those that a digest counts.
    """

    only: Only | None = None
    owner: str | None = None
    enrollment: Enrollment | None = None
    words: tuple[str, ...] = ()
    owners: tuple[str, ...] | None = None
    state: State | None = None
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rarest:
    """The word of a filter that fewest accounts have; `name`: of its parameter."""

    name: str
    accounts: int


@dataclass(kw_only=True)
class Conditions:
    """Of a filter, which all hold at once. indexed: what the indexes of the sorts hold. led: what
    another index leads to. others: tested row by row. named: of the words alone, which the index of
    names holds. gathering: what narrows a gathering further. rarest: None where every word is
    common.
    """

    values: dict[str, Any]
    indexed: list[str] = field(default_factory=list)
    led: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    gathering: list[str] = field(default_factory=list)
    rarest: Rarest | None = None

    @property
    def without_word(self) -> list[str]:
        """All but that which the rarest word leads to."""
        return [*self.indexed, *self.led, *self.others]

    @property
    def leading(self) -> list[str]:
        """What some index leads to."""
        word = [OF_WORD.format(word=self.rarest.name)] if self.rarest else []
        return [*self.indexed, *self.led, *word]

    @property
    def whole(self) -> list[str]:
        """All of them."""
        return [*self.leading, *self.others]


def conditions(
    connection: db.Connection, organization: str, narrowed: Filter, *, by_name: bool
) -> Conditions:
    """`by_name`: accounts are asked for in the order of their names, whose index may lead too."""
    found = Conditions(values={})
    _of_columns(found, narrowed)
    words = folded_words(connection, narrowed.words)
    _of_words(found, connection, organization, words)
    if found.rarest is not None:
        return found
    if (
        len(words) > 1
        and narrowed.only is None
        and narrowed.owner is None
        and narrowed.owners is None
        and narrowed.state is None
        and narrowed.digest is None
        and narrowed.enrollment != "yes"
    ):
        found.gathering.append(OF_BOTH.format(word="word_0", other="word_1"))
    if by_name:
        name = _leading_word(connection, organization, words)
        found.indexed += [] if name is None else [LEADING.format(word=name)]
    return found


def folded_words(connection: db.Connection, typed: Sequence[str]) -> list[tuple[str, bool]]:
    """(word, whether it may begin within another) of what was typed; at most `MOST_WORDS`. Signs
    alone are a word that nothing has.
    """
    known = tuple(typed)
    if not known:
        return []
    if known not in folds:
        found = connection.execute(FOLDED, {"typed": list(typed)}).fetchall()
        words = [(str(word), bool(is_within)) for word, is_within in found]
        if len(folds) >= MOST_KNOWN:
            folds.clear()
        folds[known] = words[:MOST_WORDS] or [(typed[0], False)]
    return folds[known]


def _of_columns(found: Conditions, narrowed: Filter) -> None:
    if narrowed.only is not None:
        found.indexed.append(FLAGGED)
        found.others.append(ONLY[narrowed.only])
    if narrowed.owner is not None:
        found.led.append("a.owner = %(owner)s")
        found.values["owner"] = narrowed.owner
    if narrowed.owners is not None:
        found.led.append("a.owner = ANY(%(owners)s)")
        found.values["owners"] = list(narrowed.owners)
    if narrowed.state is not None:
        found.led.append(STATES[narrowed.state])
    if narrowed.digest is not None:
        found.led.append(OF_DIGEST)
        found.values["digest"] = narrowed.digest
    if narrowed.enrollment == "auto":
        found.others.append("a.enrollment = %(enrollment)s")
    elif narrowed.enrollment is not None:  # few are pinned, and they have an index
        found.led.append("a.enrollment = %(enrollment)s AND a.enrollment <> 'auto'")
    if narrowed.enrollment is not None:
        found.values["enrollment"] = narrowed.enrollment


def _of_words(
    found: Conditions,
    connection: db.Connection,
    organization: str,
    words: Sequence[tuple[str, bool]],
) -> None:
    for number, (word, is_within) in enumerate(words):
        name = f"word_{number}"
        found.values[name] = word
        has = (HAS_WITHIN if is_within else HAS_WORD).format(word=name)
        found.others.append(has)
        found.named.append(has)
        accounts = _counted(connection, COUNT_WORD, organization, word, most=MOST_FOUND + 1)
        if accounts <= MOST_FOUND and (found.rarest is None or accounts < found.rarest.accounts):
            found.rarest = Rarest(name=name, accounts=accounts)


def _leading_word(
    connection: db.Connection, organization: str, words: Sequence[tuple[str, bool]]
) -> str | None:
    """The parameter of the first word with which every name begins that has it."""
    for number, (word, _) in enumerate(words):
        having, beginning = (
            _counted(connection, count, organization, word, most=MOST_LEADING)
            for count in (COUNT_WORD, COUNT_LEADING)
        )
        if having == beginning:
            return f"word_{number}"
    return None


def _counted(
    connection: db.Connection, count: LiteralString, organization: str, word: str, *, most: int
) -> int:
    """Known for a minute: it only decides how a page is asked for, and the page, its count and its
    neighbours ask alike.
    """
    known, now = (count, organization, word, most), time.monotonic()
    if known in often and now - often[known][1] < KNOWN_SECONDS:
        return often[known][0]
    row = connection.execute(
        count, {"organization": organization, "word": word, "most": most}
    ).fetchone()
    if len(often) >= MOST_KNOWN:
        often.clear()
    often[known] = (int(row[0]) if row else 0, now)
    return often[known][0]
