"""What can go wrong, in three words.

    WinbackError
    ├── Rejected      the input is wrong: it goes to the dead letters (or back to the sender) with
    │                 the fields that are
    ├── Retryable     something outside is not there now: the same call may go through later
    │   ├── NoTopic   Kafka is there, and has no such topic (or partition) yet
    │   ├── TooLarge  Kafka takes no record of that size there, until its limit is raised
    │   └── OtherLog  Kafka has another log than the one that positions are of: nothing is taken
    │                 until a person has mended that
    └── Misconfigured a setting cannot be right: the process says which in one line and does not
                      start

Anything else is a bug and stops the process loudly.
"""

from collections.abc import Iterator
from dataclasses import dataclass


class WinbackError(Exception):
    """The parent of what this project raises on purpose."""


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One reason for a refusal: `field` in the sender's own terms
    (`lines[3].revenue`), `reason` in words.
    """

    field: str
    reason: str


class Rejected(WinbackError):
    """The input is wrong, and will be however often it is sent."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field}: {error.reason}" for error in errors))
        self.errors = errors


class Retryable(WinbackError):
    """Kafka, PostgreSQL or the mail server is not there now."""


class NoTopic(Retryable):
    """Kafka does not know the topic, or the partition."""


class TooLarge(Retryable):
    """The record is over a limit: the producer's, the topic's or the broker's."""


class OtherLog(Retryable):
    """Kafka's log is not the one that positions are of, or ends before them (`shared.same_log`)."""


class Misconfigured(WinbackError):
    """A setting names what cannot be; the message says which, and what it accepts."""


class NotFound(WinbackError):
    """The thing that was named does not exist (in this organization)."""


def printable(text: str) -> str:
    """No character from outside steers a terminal or a log."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def said(error: BaseException) -> str:
    """What an error says, in a line or more, for logs, reasons and `/readyz`: without what
    PostgreSQL quotes of rows.
    """
    return without_rows(error, str(error)).strip()


def without_rows(error: BaseException, text: str) -> str:
    """`text`, which tells of `error`, without the DETAIL and CONTEXT of PostgreSQL's errors in it
    and in what caused it: they quote rows and values that were sent (an address, a name), and those
    are not for logs.
    """
    for one in _with_causes(error):
        diagnosis = getattr(one, "diag", None)  # of psycopg.Error, which not every process needs
        for label, quoted in (("DETAIL", "message_detail"), ("CONTEXT", "context")):
            words = getattr(diagnosis, quoted, None)
            if words:
                text = text.replace(f"\n{label}:  {words}", "").replace(words, "…")
    return text


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """It, and all that a traceback shows above it."""
    open_, seen = [error], set[int]()
    while open_:
        one = open_.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        open_ += [further for further in (one.__cause__, one.__context__) if further is not None]
        if isinstance(one, BaseExceptionGroup):
            open_ += one.exceptions
