"""Versions of an order: what its content is, and which version counts (product.md 1, *Which version
of an order counts*).

A version is (revision, content). The greatest counts, so the end is the same however versions
arrive. Only an order that brings no revision depends on arrival: its revision is the time it was
accepted, and content equal to what counts already is a duplicate.
"""

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Literal, NamedTuple

import msgspec

Verdict = Literal["new", "earlier_day", "duplicate", "older"]
ContentLine = tuple[
    str | None, str | None, str | None, str | None, int
]  # product, od, grade, quantity, revenue in cents

_encode = msgspec.json.Encoder().encode


class Version(NamedTuple):
    """What decides between two versions of one order. `content` compares as lower-case hex (or as
    its bytes: the same order).
    """

    revision: int
    content: str | bytes
    counts_on: date
    revision_given: bool


def content_hash(
    *, order: str, account: str, ordered_on: date, cancelled: bool, lines: Iterable[ContentLine]
) -> str:
    """SHA-256, lower-case hex, of the content as sent, over HTTP or in a file alike.

    The order of lines does not matter, their number does: equal lines are separate lines. No
    content are: the revision, the day that ingest stamps, and what describes the account
    (its name, its owner).
    """
    head = _encode((order, account, ordered_on, cancelled))
    return hashlib.sha256(b"\n".join((head, *sorted(map(_encode, lines))))).hexdigest()


def counting(old: Version | None, new: Version) -> Verdict:
    """What `new` does to the version that counts so far. The first that is true:

    1. "new"          there is none yet
    2. the same content, and the same revision or none given with `new`:
       "earlier_day"  it was stamped with an earlier day: only counts_on moves, to that day
       "duplicate"    otherwise: nothing changes
    3. "new"          (revision, content) is greater: it replaces all of the old one, its counts_on
                      too
    4. "older"        nothing changes
    """
    if old is None:
        return "new"
    if new.content == old.content and (new.revision == old.revision or not new.revision_given):
        return "earlier_day" if new.counts_on < old.counts_on else "duplicate"
    return "new" if _rank(new) > _rank(old) else "older"


def contradicts(old: Version, new: Version) -> bool:
    """True where one revision came with two contents: worth a warning, the greater counts."""
    return (
        new.revision_given
        and old.revision_given
        and new.revision == old.revision
        and new.content != old.content
    )


def _rank(version: Version) -> tuple[int, str]:
    content = version.content
    return version.revision, content.hex() if isinstance(content, bytes) else content
