"""Text with {variables}, as people write it in a sequence: an explicit parser with an allow-list,
no template language.

`{lapsed}` stands for a value, `{{` and `}}` for a brace. Everything else in braces is a mistake
that is named. What is filled in is never read again, so a customer called `{owner}` stays a
customer called `{owner}`.
"""

import re
from collections.abc import Collection, Mapping

from shared.errors import FieldError, Rejected
from shared.wording import plain_name

_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with each variable replaced. An empty value takes the blank before it along: `Hello
    {name},` is `Hello,`.

    Raises Rejected naming every variable that `values` does not have.
    """
    return "".join(piece for piece, _ in pieces(text, values))


def pieces(text: str, values: Mapping[str, str]) -> list[tuple[str, bool]]:
    """As `fill`, in (piece, whether a variable was filled in there), for a preview that shows
    which. Raises Rejected.
    """
    check(text, values)
    found: list[tuple[str, bool]] = []
    last = 0
    for token in _TOKEN.finditer(text):
        before, value = text[last : token.start()], _value(token[0], values)
        found += [
            (before.removesuffix(" ") if not value else before, False),
            (value, len(token[0]) > 2),
        ]
        last = token.end()
    return [(piece, is_filled) for piece, is_filled in (*found, (text[last:], False)) if piece]


def check(text: str, allowed: Collection[str], *, field: str = "text") -> None:
    """Raises Rejected with everything in `text` that is no variable of `allowed`, each once."""
    wrong = [reason for token in _TOKEN.findall(text) if (reason := _wrong(token, allowed))]
    if wrong:
        known = ", ".join(f"{{{name}}}" for name in sorted(allowed))
        raise Rejected(
            *(
                FieldError(field=field, reason=f"{reason}; there are {known}")
                for reason in dict.fromkeys(wrong)
            )
        )


def variables_in(text: str) -> list[str]:
    """The names in braces, in order, each once."""
    return list(dict.fromkeys(token[1:-1] for token in _TOKEN.findall(text) if len(token) > 2))


def _value(token: str, values: Mapping[str, str]) -> str:
    return token[0] if token in ("{{", "}}") else plain_name(values[token[1:-1]])


def _wrong(token: str, allowed: Collection[str]) -> str | None:
    if token in ("{{", "}}") or (len(token) > 1 and token[1:-1] in allowed):
        return None
    return (
        f"{token} is no variable"
        if len(token) > 1
        else f"a lone {token}: a brace that is meant is written twice"
    )
