"""Marks made plain, and nothing else."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.grades import read_grade
from shared.domain.sizes import read_od
from shared.domain.typography import plain_marks

# each mark of ours with what people type instead of it
TYPED = {
    "-": "-‐‑‒–—―−﹘﹣－\u00ad",
    '"': '"“”„‟″＂',
    "'": "'‘’‚‛′＇´",
    " ": " \u00a0\u1680\u2000\u2002\u2003\u2007\u2008\u2009\u202f\u205f\u3000",
    "/": "/⁄∕／",
}
PLAIN_SIZES = st.text(st.sampled_from("0123456789./- \"'inmNPS½"), max_size=12)
PLAIN_GRADES = st.text(st.sampled_from("0123456789./- JLCGrhp"), max_size=12)


@pytest.mark.parametrize(("plain", "typed"), TYPED.items())
def test_every_way_to_type_a_mark_is_the_plain_one(plain: str, typed: str) -> None:
    assert plain_marks(typed) == plain * len(typed)


def test_full_width_ascii_is_ascii_and_no_other_letter_digit_or_fraction_changes() -> None:
    ascii_text = "".join(map(chr, range(0x21, 0x7F)))
    assert plain_marks("".join(chr(ord(one) + 0xFEE0) for one in ascii_text)) == ascii_text
    for other in "5½ ⅝ ٥ ² ﬁ É ß Å Ⅻ ①".split():
        assert plain_marks(other) == other


def test_every_blank_of_unicode_is_a_blank() -> None:
    blanks = "".join(one for one in map(chr, range(0x10000)) if unicodedata.category(one) == "Zs")
    assert plain_marks(blanks) == " " * len(blanks)


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_ascii_is_left_as_it_is(text: str) -> None:
    assert plain_marks(text) is text


@given(st.text())
def test_what_was_made_plain_stays(text: str) -> None:
    assert plain_marks(plain_marks(text)) == plain_marks(text)


@st.composite
def typed(draw: st.DrawFn, plain: st.SearchStrategy[str]) -> tuple[str, str]:
    """(a plain text, the same with other marks and full-width characters)."""
    text = draw(plain)
    others = [
        draw(st.sampled_from(TYPED.get(one, one if one == "½" else one + chr(ord(one) + 0xFEE0))))
        for one in text
    ]
    return text, "".join(others)


@given(typed(PLAIN_SIZES))
def test_a_size_is_read_the_same_whatever_marks_it_has(texts: tuple[str, str]) -> None:
    plain, other = texts
    for table in ({}, {plain: "7.5"} if plain.strip() else {}, {other: "7.5"}):
        assert read_od(other, table) == read_od(plain, table)


@given(typed(PLAIN_GRADES))
def test_a_grade_is_read_the_same_whatever_marks_it_has(texts: tuple[str, str]) -> None:
    plain, other = texts
    for aliases in ({}, {plain: "K55"}, {other: "K55"}):
        assert read_grade(other, aliases) == read_grade(plain, aliases)
