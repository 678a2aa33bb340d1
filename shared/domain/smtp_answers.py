"""What a mail server's refusal in the dialogue is about: the address, the moment, us, or the text.

As `delivery_failures` reads what comes back later; beside it stands the text, which only an answer
to the letter itself can be about.
"""

import re
from typing import Literal

from shared.domain.delivery_failures import Failure, failure_of

Undelivered = Literal["undeliverable", "soft", "ours", "text"]

_NOT_THIS_TEXT = re.compile(r"554\b(?! 5\.[0-57])")  # at the beginning of an answer
_ABOUT_THE_TEXT = re.compile(r"\b5\.6\.\d{1,3}\b")


def undelivered(answer: str) -> Undelivered:
    """Of an answer of 4xx after all attempts, or 5xx, as `smtp.Answer` has it."""
    failure = failure_of("", answer)
    if failure is Failure.UNDELIVERABLE:
        return "undeliverable"
    answer = answer.lstrip()
    if _NOT_THIS_TEXT.match(answer) or (failure is Failure.SOFT and _ABOUT_THE_TEXT.search(answer)):
        return "text"
    return "ours" if failure is Failure.OURS else "soft"
