"""What somebody types to find a product: `9 5/8 P110`, `casing 9-5/8"`, `l80 2 3/8 tubing`. Which
words are a size and which a grade, of those that were ever ordered.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.sizes import TaughtSizes, read_od

MOST_WORDS = 12
LONGEST_SIZE = 4  # words: NPS 9 5/8 in
LONGEST_GRADE = 3


@dataclass(frozen=True, kw_only=True)
class ProductWords:
    """od, grade: canonical, of those that there are; None where nothing says one. rest: the other
    words.
    """

    od: str | None
    grade: str | None
    rest: tuple[str, ...]


def product_words(
    typed: str,
    *,
    ods: Collection[str],
    grades: Collection[str],
    sizes: TaughtSizes,
    aliases: TaughtGrades,
) -> ProductWords:
    """The longest words that are a size of `ods`, then the longest that are a grade of `grades`."""
    words = tuple(typed.split()[:MOST_WORDS])
    od, words = _taken(words, LONGEST_SIZE, lambda text: read_od(text, sizes).value, ods)
    grade, words = _taken(words, LONGEST_GRADE, lambda text: read_grade(text, aliases), grades)
    return ProductWords(od=od, grade=grade, rest=words)


def _taken(
    words: tuple[str, ...], longest: int, read: Callable[[str], str | None], known: Collection[str]
) -> tuple[str | None, tuple[str, ...]]:
    for length in range(min(longest, len(words)), 0, -1):
        for place in range(len(words) - length + 1):
            value = read(" ".join(words[place : place + length]))
            if value is not None and value in known:
                return value, words[:place] + words[place + length :]
    return None, words
