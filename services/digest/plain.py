"""Plain text that keeps its columns: 78 wide, as terminals and old mail readers show it."""

import textwrap
import unicodedata

WIDTH = 78
LABEL = 18


def width(text: str) -> int:
    """Columns that a text takes: none for marks and joiners, two for wide letters and emoji."""
    if text.isascii():
        return len(text)
    columns = 0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) in (
            "Cf",
            "Mn",
            "Me",
        ):
            continue
        columns += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return columns


def row(left: str, *cells: tuple[str, int]) -> str:
    """`left`, and cells right-aligned in their widths at the right edge; a left side that is too
    long goes on below.
    """
    right = "".join(" " * max(1, size - width(text)) + text for text, size in cells)
    space = WIDTH - width(right)
    first, *more = _fold(left, space) or [""]
    return "\n".join([(first + " " * (space - width(first)) + right).rstrip(), *more])


def wrapped(text: str, prefix: str = "") -> str:
    """Paragraph lines; all but the first begin with `prefix`."""
    return f"\n{prefix}".join(_fold(text, WIDTH - len(prefix)))


def indented(text: str) -> str:
    """Two blanks before each line."""
    return "\n".join(f"  {line}" for line in _fold(text, WIDTH - 2))


def labelled(label: str, words: str) -> str:
    """Words beside their label."""
    return label + " " * (LABEL - len(label)) + words


def _fold(text: str, space: int) -> list[str]:
    """Lines of at most `space` columns, broken at blanks; a word that is longer is cut."""
    narrow = max(8, space - (width(text) - len(text)) if width(text) > len(text) else space)
    return textwrap.wrap(text, narrow, break_on_hyphens=False) if width(text) > space else [text]
