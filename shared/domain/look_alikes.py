"""Grades that look like one, and the accounts that went from one spelling to the other: aliases to
propose (product.md 1, *Grade*).

What `plain_grade` makes one (`P110`, `P-110`, `P 110`) needs no alias. Here two grades look alike
that have the same letters and digits whatever hyphens stand between them and in whatever order
(`N80-Q` and `N80Q`, `L80-13CR` and `13CR L80`), but for words that say nothing (`GRADE`, `API`),
a letter O for a zero, and Cyrillic letters that look Latin. They may be two grades all the same:
an alias is proposed, never taken by itself.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import combinations

import msgspec

from shared.domain.grades import plain_grade
from shared.domain.thresholds import DetectionSettings

_EMPTY_WORDS = frozenset(("API", "5CT", "5L", "API5CT", "API5L", "GR", "GRADE", "SPEC", "TYPE"))
_LATIN = str.maketrans("АВСЕНІЈКМОРЅТХУавсенкмортху", "ABCEHIJKMOPSTXYABCEHKMOPTXY")
_ZERO = re.compile(r"(?<=[0-9])O|O(?=[0-9])")
_RUNS = re.compile(r"[0-9]+|[^0-9]+")
MOST_SHOWN = 5  # accounts of a proposal


@dataclass(frozen=True, kw_only=True)
class Span:
    """From the first to the last day on which an account bought a grade."""

    account: str
    grade: str
    first_on: date
    last_on: date


@dataclass(frozen=True, kw_only=True)
class Switch:
    """An account bought `old` up to one day, and `new` alone from another on."""

    account: str
    old: str
    until: date
    new: str
    since: date


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """That `spelling` is read as `grade`, which more accounts buy; because of these switches, the
    latest first.
    """

    spelling: str
    grade: str
    switches: tuple[Switch, ...]


def look_alikes(grades: Iterable[str]) -> list[frozenset[str]]:
    """Groups of grades that look like one, of two and more; each grade is in one at most."""
    group_of: dict[str, set[str]] = {}
    first: dict[tuple[str, ...], str] = {}
    for grade in sorted(set(grades)):
        group_of[grade] = {grade}
        for key in _likeness(grade):
            other = first.setdefault(key, grade)
            if group_of[other] is not group_of[grade]:
                group_of[other] |= group_of[grade]
                for one in group_of[grade]:
                    group_of[one] = group_of[other]
    groups = {id(group): frozenset(group) for group in group_of.values() if len(group) > 1}
    return sorted(groups.values(), key=sorted)


def proposals(spans: Iterable[Span]) -> list[Proposal]:
    """By the accounts that switched, most first."""
    bought = defaultdict[str, list[Span]](list)
    buyers = defaultdict[str, set[str]](set)
    for span in spans:
        bought[span.account].append(span)
        buyers[span.grade].add(span.account)
    group_of = {grade: group for group in look_alikes(buyers) for grade in group}
    switched = defaultdict[tuple[str, str], list[Switch]](list)
    for theirs in bought.values():
        for switch in _switches(theirs, group_of):
            newer = (len(buyers[switch.new]), switch.new), (len(buyers[switch.old]), switch.old)
            pair = (switch.old, switch.new)
            if newer[0][0] < newer[1][0]:
                pair = (switch.new, switch.old)
            switched[pair].append(switch)
    found = [
        Proposal(
            spelling=spelling,
            grade=grade,
            switches=tuple(sorted(those, key=lambda one: (one.since, one.account), reverse=True)),
        )
        for (spelling, grade), those in switched.items()
    ]
    both_ways = {(one.grade, one.spelling): len(one.switches) for one in found}
    return sorted(
        (
            one
            for one in found
            if (len(one.switches), one.grade)
            > (both_ways.get((one.spelling, one.grade), 0), one.spelling)
            or (one.spelling, one.grade) not in both_ways
        ),
        key=lambda one: (-len(one.switches), one.spelling),
    )


def with_alias(settings: DetectionSettings, proposal: Proposal) -> DetectionSettings:
    """The settings with the proposal taken."""
    aliases = aliases_with(settings.grade_aliases, proposal.spelling, proposal.grade)
    return msgspec.structs.replace(settings, grade_aliases=aliases)


def aliases_with(aliases: Mapping[str, str], spelling: str, grade: str) -> dict[str, str]:
    """An alias table in which `spelling`, and all that were read as it, are read as `grade`."""
    led = {
        theirs: grade if plain_grade(ours) == spelling else ours
        for theirs, ours in aliases.items()
        if plain_grade(theirs) not in (spelling, grade)
    }
    return led | {spelling: grade}


def _switches(theirs: list[Span], group_of: dict[str, frozenset[str]]) -> Iterable[Switch]:
    for one, other in combinations(sorted(theirs, key=lambda span: span.first_on), 2):
        alike = one.grade in group_of and other.grade in group_of[one.grade]
        if alike and one.last_on < other.first_on:
            yield Switch(
                account=one.account,
                old=one.grade,
                until=one.last_on,
                new=other.grade,
                since=other.first_on,
            )


def _likeness(grade: str) -> set[tuple[str, ...]]:
    """Keys of which two grades that look alike have one in common."""
    words = [word for word in grade.translate(_LATIN).split("-") if word]
    telling = [word for word in words if word not in _EMPTY_WORDS] or words
    plain = _ZERO.sub("0", "".join(telling))
    runs = [run for word in telling for run in _RUNS.findall(_ZERO.sub("0", word))]
    return {("joined", plain), ("sorted", *sorted(runs))}
