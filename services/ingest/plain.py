"""The texts that nearly every file consists of, read a column at a time: null where a text is
another, and needs its own reader.

A file has as many distinct ids and amounts as rows, so to read each once in Python is most
of what reading costs. What is read here is read as `identifiers.py` and `money.py` read
it: a test holds them together.
"""

from collections.abc import Callable

import polars as pl

from shared.domain.identifiers import LONGEST_ID, LONGEST_TEXT

Plain = Callable[[pl.Series], pl.Series]  # texts -> values; null where a text is not plain

WHOLE_DIGITS = 12  # with the places of any currency below money.LARGEST_CENTS


def ids(texts: pl.Series) -> pl.Series:
    """Ids of visible ASCII that are no word for nothing, no number that a spreadsheet has cut, and
    not written for one.
    """
    letter, after_n = r"[A-MO-Za-mo-z_]", r"[!-~&&[^aAoOuU/]]"
    return _matching(
        texts,
        rf"\A(?:{letter}[!-~]{{0,{LONGEST_ID - 1}}}|[0-9][!-~&&[^.,+]]{{0,{LONGEST_ID - 1}}}"
        rf"|[nN]{after_n}[!-~]{{0,{LONGEST_ID - 2}}})\z",
    )


def ascii_texts(texts: pl.Series) -> pl.Series:
    """Products and grades of printable ASCII that are no word for nothing."""
    first, after_n = r"[ -~&&[^nN#(<\\-]]", r"[ -~&&[^aAoOuU/]]"
    return _matching(
        texts,
        rf"\A(?:{first}[ -~]{{0,{LONGEST_TEXT - 1}}}|[nN]{after_n}[ -~]{{0,{LONGEST_TEXT - 2}}})\z",
    )


def amounts(places: int) -> Plain:
    """Minor units of amounts that have no more than `places` decimals, so
    that rounding takes nothing away.
    """
    fraction = rf"(?:\.[0-9]{{1,{places}}})?" if places else ""
    pattern = rf"\A-?[0-9]{{1,{WHOLE_DIGITS - places}}}{fraction}\z"

    def read(texts: pl.Series) -> pl.Series:
        plain = _matching(texts, pattern)
        whole = plain.str.replace(".", "", literal=True).cast(pl.Int64)
        decimals = pl.when(plain.str.contains(".", literal=True)).then(
            plain.str.len_bytes() - plain.str.find(".", literal=True) - 1
        )
        tens = pl.lit(10).pow(places - decimals.otherwise(0).cast(pl.Int64))
        return pl.select((whole * tens).alias(texts.name)).to_series()

    return read


def _matching(texts: pl.Series, pattern: str) -> pl.Series:
    """The texts that match, null in place of the others."""
    matches = texts.str.contains(pattern)
    return (
        texts
        if matches.all() and not texts.null_count()
        else pl.select(pl.when(matches).then(texts)).to_series().alias(texts.name)
    )
