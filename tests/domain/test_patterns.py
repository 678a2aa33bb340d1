"""No pattern that input reaches costs more than a text's length: what is twice as long takes twice
the time, not four times.

Patterns are found, not listed: each that a module of ours keeps. Time is only compared with time,
of the same pattern on the same kind of text.
"""

import re
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import services
import shared
from shared.domain.identifiers import has_encoded_word

SHORT, TIMES = 2_000, 16  # of a quadratic pattern the long text takes 256 times as long
MOST_TIMES = 4 * TIMES
UNNOTICED_SECONDS = 0.004  # whatever grows to no more than that is no burden at such a length
SEEDS = (
    "=?a?q?x", "=?", "'", "'=", "a", "a.", "a@", "x@a.", "1", "1,", "1.", "1/", "1 ", " ", "-",
    "- ", "{", "{{", "{a", "}", ".", "..", "A-", "A", "_", "%", "/o/a", "\t", "\n", "\n.", "\x00",
    "1/2", "½", "0", "file", "#1", "Z", "traceparent: ", "é",
)  # fmt: skip
# Patterns that see no long text.
BOUNDED = {
    "shared.people._EXTENSION": "a phone has 40 characters at most",
}


def sources() -> dict[str, str]:
    """module -> its text, of `shared` and `services`."""
    roots = [Path(package.__path__[0]) for package in (shared, services)]
    return {
        ".".join(path.relative_to(root.parent).with_suffix("").parts): path.read_text()
        for root in roots
        for path in sorted(root.rglob("*.py"))
    }


def uses() -> dict[str, Callable[[str], object]]:
    """module.NAME.method -> each way in which a pattern for text is used that a module keeps."""
    found: dict[str, Callable[[str], object]] = {}
    texts = sources()
    for module, text in texts.items():
        if "re.compile(" not in text:
            continue
        for key, value in vars(import_module(module)).items():
            if not isinstance(value, re.Pattern) or not isinstance(value.pattern, str):
                continue
            methods = re.findall(rf"\b{key}\.([a-z]+)\(", "\n".join(texts.values()))
            for method in set(methods) - {"compile"}:
                use = getattr(value, method)
                found[f"{module}.{key}.{method}"] = partial(use, "") if method == "sub" else use
    return found


USES = {name: use for name, use in uses().items() if name.rpartition(".")[0] not in BOUNDED}


@pytest.mark.parametrize("name", sorted(USES))
def test_a_text_that_is_longer_costs_a_pattern_no_more_than_its_length(name: str) -> None:
    for seed in SEEDS:
        assert_linear(USES[name], seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_encoded_words_are_looked_for_in_one_pass(seed: str) -> None:
    assert_linear(has_encoded_word, seed)


@given(st.text(alphabet="=?aqBx\n", max_size=24))
def test_an_encoded_word_is_what_one_pattern_says_it_is(text: str) -> None:
    plain = re.compile(r"=\?[^?]*\?[bq]\?.*?\?=", re.IGNORECASE | re.DOTALL)
    assert has_encoded_word(text) == (plain.search(text) is not None)


def assert_linear(use: Callable[[str], object], seed: str) -> None:
    long = seconds(use, seed * (SHORT * TIMES) + "!")
    if long > UNNOTICED_SECONDS:
        assert long < MOST_TIMES * seconds(use, seed * SHORT + "!"), repr(seed)


def seconds(use: Callable[[str], object], text: str) -> float:
    """Of the processor, the least of a few: what else runs here does not count."""
    found = []
    for _ in range(3):
        started = time.process_time()
        use(text)
        found.append(time.process_time() - started)
    return min(found)
