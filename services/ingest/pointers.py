"""JSON pointers (RFC 6901), with two additions: `*` stands for every element of a list, and a name
with `#` before the pointer says which part of a record it is in (`key#/id`, `envelope#/ts_ms`).
"""

import re
from dataclasses import dataclass
from typing import Any

ROOTS = ("row", "key", "envelope")
MISSING = object()  # what a pointer leads to where there is nothing

_TEXT = re.compile(r"(?:(?P<root>[a-z]+)#)?(?P<path>(?:/(?:[^~/]|~0|~1)*)*)")


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """`text`: as it was written. `each`: the steps up to the list whose elements it is of; None for
    one of the whole. `steps`: from there on.
    """

    text: str
    root: str
    each: tuple[str, ...] | None
    steps: tuple[str, ...]


def pointer(text: str) -> Pointer:
    """Raises ValueError, in words."""
    found = _TEXT.fullmatch(text)
    if found is None or not text:
        raise ValueError(f"{text} is no JSON pointer, such as /order/id")
    root = found["root"] or "row"
    if root not in ROOTS:
        raise ValueError(f"{text}: {root}# is none of {', '.join(one + '#' for one in ROOTS)}")
    steps = [step.replace("~1", "/").replace("~0", "~") for step in found["path"].split("/")[1:]]
    if steps.count("*") > 1 or (steps and steps[-1] == "*" and root != "row"):
        raise ValueError(f"{text} has more than one *")
    if "*" not in steps:
        return Pointer(text=text, root=root, each=None, steps=tuple(steps))
    if root != "row":
        raise ValueError(f"{text}: lines are looked for in the row alone")
    place = steps.index("*")
    return Pointer(text=text, root=root, each=tuple(steps[:place]), steps=tuple(steps[place + 1 :]))


def followed(value: Any, steps: tuple[str, ...]) -> Any:
    """What the steps lead to; MISSING where there is nothing."""
    for step in steps:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and len(step) < 7:
            place = int(step)
            if place >= len(value):
                return MISSING
            value = value[place]
        else:
            return MISSING
    return value
