"""What the doctor says: one finding a thing, and what to do where it is not good."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["good", "note", "wrong", "away"]

GOOD, WRONG, AWAY = 0, 1, 3  # exit codes


@dataclass(frozen=True, kw_only=True)
class Finding:
    """state: good; note: works, and should be known or mended some day; wrong: must be mended;
    away: cannot be reached.

    said: what was seen. do: what to do; empty where it is good.
    """

    name: str
    state: State
    said: str
    do: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def good(name: str, said: str) -> Finding:
    return Finding(name=name, state="good", said=said)


def note(name: str, said: str, do: str) -> Finding:
    return Finding(name=name, state="note", said=said, do=do)


def wrong(name: str, said: str, do: str) -> Finding:
    return Finding(name=name, state="wrong", said=said, do=do)


def away(name: str, said: str, do: str) -> Finding:
    return Finding(name=name, state="away", said=said, do=do)


def judged(name: str, is_good: bool, said: str, do: str) -> Finding:
    """good, or wrong with what to do."""
    return good(name, said) if is_good else wrong(name, said, do)


def exit_code(findings: list[Finding]) -> int:
    """3 where something cannot be reached (what else is wrong may follow from it), 1 where
    something is wrong, else 0.
    """
    states = {finding.state for finding in findings}
    return AWAY if "away" in states else WRONG if "wrong" in states else GOOD


Look = Callable[[], Iterator[Finding]]
