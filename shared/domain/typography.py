"""Typographic spelling to plain: what a word processor, a phone or an East Asian keyboard makes of
a text that names a size or a grade (product.md 1, *OD* and *Grade*).

Dashes, quotes, blanks and slashes have one plain form each, full-width characters their ASCII
twins, and what shows nothing is left out. It is not NFKC, which makes `51/2` of `5½`.
"""

_DASHES = "\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"  # soft hyphen to minus
_DOUBLE_QUOTES = "“”„‟″‶〝〞〟ʺ˝"
_SINGLE_QUOTES = "‘’‚‛′‵ʹʼ´"
_SLASHES = "\u2044\u2215"
_BLANKS = (*(0x00A0, 0x1680, 0x202F, 0x205F, 0x3000), *range(0x2000, 0x200B))
_SQUARED_UNITS = {"㎜": "mm", "㏌": "in"}
_INVISIBLE = (
    *(0x061C, 0x180E, 0xFEFF),
    *range(0x200B, 0x2010),  # zero-width, joiners, marks of direction
    *range(0x202A, 0x202F),  # embeddings
    *range(0x2060, 0x2070),  # word joiner, isolates
)
_FULL_WIDTH = range(0xFF01, 0xFF5F)  # in the order of ASCII from ! on

_PLAIN: dict[int, str] = (
    {ord(one): "-" for one in _DASHES}
    | {ord(one): '"' for one in _DOUBLE_QUOTES}
    | {ord(one): "'" for one in _SINGLE_QUOTES}
    | {ord(one): "/" for one in _SLASHES}
    | dict.fromkeys(_BLANKS, " ")
    | {ord(one): unit for one, unit in _SQUARED_UNITS.items()}
    | dict.fromkeys(_INVISIBLE, "")
    | {wide: chr(wide - _FULL_WIDTH.start + ord("!")) for wide in _FULL_WIDTH}
)


def plain_marks(text: str) -> str:
    """The text with plain marks. ASCII is left as it is, and so is every letter, digit and fraction
    that is not listed here.
    """
    return text if text.isascii() else text.translate(_PLAIN)
