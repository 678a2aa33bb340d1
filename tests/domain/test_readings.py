"""The number of the reading rules follows the rules: the detector's state rests on it."""

from hashlib import sha256
from itertools import product

from shared.domain.grades import read_grade
from shared.domain.history import READING
from shared.domain.sizes import read_od

NUMBERS = (
    *("6", "14", "5.5", "2-3/8", "2‑3/8", "5½", "-½", "60.3", "73.03", "88.9", "139.7", "168.3"),
    *("610", "139 1/2", "５.５", "5,5"),
)
BEFORE = ("", "NPS ", "ＮＰＳ ", "OD ", "−")
BEHIND = ("", '"', "“", "´´", " in", " mm", " ㎜", " NPS", '" NPS', "\u200b")
LETTERS = ("J", "Ｌ", "Gr", "13Cr ", "é")
BREAKS = ("", "-", "–", "\u2011", "\u00ad", "\u3000", "\u200b", "⁄", "'")
DIGITS = ("80", "８０", "½", "")

# READING -> the digest of what the texts above are read as
READ = {4: "eb2d42af435bed6ad7fd038cca87a8f5d7d9370ab9f3ef7de4bba801dd0da41e"}


def test_rules_that_read_a_text_otherwise_have_another_number() -> None:
    """If this fails: raise READING, and put the new number and digest here."""
    sizes = [read_od("".join(text), {}) for text in product(BEFORE, NUMBERS, BEHIND)]
    grades = [read_grade("".join(text), {}) for text in product(LETTERS, BREAKS, DIGITS)]
    values = repr(([size.value for size in sizes], grades))
    assert {READING: sha256(values.encode()).hexdigest()} == READ
