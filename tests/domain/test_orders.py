"""Which version of an order counts, and what its content is (product.md 1)."""

from datetime import date
from itertools import permutations

import pytest

from shared.domain.orders import ContentLine, Verdict, Version, content_hash, contradicts, counting

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
LINES: list[ContentLine] = [("P", "5.5", "J55", "1", 1000), ("Q", None, None, None, -500)]


def version(
    revision: int, content: str = "a", *, on: date = TUESDAY, given: bool = True
) -> Version:
    return Version(revision, content, on, given)


CASES: list[tuple[Version | None, Version, Verdict]] = [
    (None, version(1), "new"),
    (version(1), version(2, "b"), "new"),
    (version(1), version(2), "new"),
    (version(2), version(1, "b"), "older"),
    (version(2), version(1), "older"),
    (version(1, "a"), version(1, "b"), "new"),
    (version(1, "b"), version(1, "a"), "older"),
    (version(1), version(1), "duplicate"),
    (version(1), version(1, on=MONDAY), "earlier_day"),
    (version(1, on=MONDAY), version(1), "duplicate"),
    (version(1), version(900, given=False), "duplicate"),
    (version(900, given=False), version(901, given=False), "duplicate"),
    (version(900, given=False), version(899, on=MONDAY, given=False), "earlier_day"),
    (version(900, given=False), version(901, "b", given=False), "new"),
    (version(900, given=False), version(899, "b", given=False), "older"),
    (version(900, given=False), version(5, "b"), "older"),
    (version(5), version(900, "b", given=False), "new"),
]


@pytest.mark.parametrize(("old", "new", "verdict"), CASES)
def test_the_greatest_revision_and_content_counts(
    old: Version | None, new: Version, verdict: Verdict
) -> None:
    assert counting(old, new) == verdict


def test_versions_with_revisions_end_the_same_in_any_order() -> None:
    versions = [
        version(1, "b"),
        version(2, "a", on=TUESDAY),
        version(2, "a", on=MONDAY),
        version(2, "0"),
        version(1, "c"),
    ]
    ends = set()
    for order in permutations(versions):
        kept: Version | None = None
        for new in order:
            verdict = counting(kept, new)
            if verdict == "new":
                kept = new
            elif verdict == "earlier_day" and kept is not None:
                kept = kept._replace(counts_on=new.counts_on)
        ends.add(kept)
    assert ends == {version(2, "a", on=MONDAY)}


def test_content_as_bytes_compares_as_its_hex_does() -> None:
    assert (
        counting(
            Version(1, bytes.fromhex("0f"), MONDAY, True),
            Version(1, bytes.fromhex("f0"), MONDAY, True),
        )
        == "new"
    )


def test_one_revision_with_two_contents_contradicts() -> None:
    assert contradicts(version(1, "a"), version(1, "b"))
    assert not contradicts(version(1, "a"), version(1, "a"))
    assert not contradicts(version(1, "a"), version(2, "b"))


def hashed(
    lines: list[ContentLine],
    *,
    order: str = "1",
    account: str = "A",
    on: date = MONDAY,
    cancelled: bool = False,
) -> str:
    return content_hash(
        order=order, account=account, ordered_on=on, cancelled=cancelled, lines=lines
    )


def test_content_does_not_depend_on_the_order_of_lines_but_on_their_number() -> None:
    assert hashed(LINES) == hashed(LINES[::-1])
    assert hashed(LINES) != hashed([*LINES, LINES[0]])
    assert hashed([*LINES, LINES[0]]) == hashed([LINES[0], *LINES])


def test_content_depends_on_everything_that_was_sent() -> None:
    different = [
        hashed(LINES),
        hashed(LINES, order="2"),
        hashed(LINES, account="B"),
        hashed(LINES, on=TUESDAY),
        hashed(LINES, cancelled=True),
        hashed([("P", "5.5", "J55", "1", 1001), LINES[1]]),
        hashed([("P", "5.50", "J55", "1", 1000), LINES[1]]),
        hashed([("P", "5.5", None, "1", 1000), LINES[1]]),
        hashed([("P", "5.5", "J55", "2", 1000), LINES[1]]),
        hashed([("R", "5.5", "J55", "1", 1000), LINES[1]]),
    ]
    assert len(set(different)) == len(different)


def test_the_hash_of_a_content_never_changes_between_releases() -> None:
    """Versions are compared across years of the log: a new canonical form would make every
    duplicate look new.
    """
    assert hashed(LINES) == "91acef0ae31232ffb63834e6a5b4649f1078f08df06087d6fb29ba273b2fceb5"
