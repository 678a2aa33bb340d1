"""How a file's lines are made, and what its frames have beside the cells."""

from dataclasses import dataclass
from functools import cached_property

LINE, TROUBLE, TEXT = (
    "#line",
    "#trouble",
    "#text",
)  # beside the cells, which are named by their place: "0", "1", …


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """`first_line`: the physical line of the first row. `needed`: places of the cells without which
    a line is no row of its own. `is_rejects`: a rejects file of ours (`rejected.py`), whose own
    columns are no part of the header.
    """

    header: tuple[str, ...]
    delimiter: str
    quote: str
    escape: str | None
    newline: str
    first_line: int
    needed: tuple[int, ...] = ()
    is_rejects: bool = False
    header_line: int = 1
    title_lines: int = 0  # lines above the header that are not empty, and were passed by

    @cached_property
    def width(self) -> int:
        return len(self.header)

    @cached_property
    def least(self) -> int:
        """So many cells a row has at least."""
        return max(self.needed, default=0) + 1
