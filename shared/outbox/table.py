"""What an outbox is: one table of mails, and where the services that own one differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from shared import db


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A mail that is this sender's until its lease ends. key: column -> value. envelope: whom the
    server tells what becomes of it; "" is WINBACK_MAIL_FROM.
    """

    key: Mapping[str, str | int]
    email: str
    message: bytes
    attempts: int
    due_at: datetime
    envelope: str = ""

    @property
    def claim(self) -> dict[str, str | int]:
        """The mail, and the claim on it: `attempts` counts claims and so names one."""
        return {**self.key, "attempts": self.attempts}


Guard = Callable[[db.Connection, Claimed], str | None]


def nothing(connection: db.Connection) -> None:
    """Nothing to take back."""


def undoubted(connection: db.Connection, mail: Claimed) -> None:
    """Nobody could have come in between."""


def unheard(mail: Claimed, at: datetime) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """One service's mails.

    name            the label of its metrics
    table, key      the table and the columns of its primary key: the organization, what the mails
                    were planned for together (their batch), and what tells them apart
    most_ambiguous  so often may the answer be lost: then the mail stays `unknown` for a person.
                    2: it is submitted once more, with the same Message-ID. 1: never by itself
    guard           asked after the note, in a transaction that is held until the dot is written:
                    why the mail must not go out, or None. It locks what must not change meanwhile,
                    and changes nothing
    withdraw        takes back, before each batch, what need not be tried any more
    sent            told of each mail that the server took, and when, once that is noted
    unheld          told of a mail whose dot is out, and whose guard could not be held until then
    due_at          SQL: when mail `m` was meant to leave
    envelope        SQL: whose address the envelope of mail `m` bears; '' is WINBACK_MAIL_FROM
    """

    name: str
    table: LiteralString
    key: tuple[LiteralString, ...]
    most_ambiguous: int
    guard: Guard
    withdraw: Callable[[db.Connection], object] = nothing
    sent: Callable[[Claimed, datetime], object] = unheard
    unheld: Callable[[db.Connection, Claimed], object] = undoubted
    due_at: LiteralString = "m.queued_at"
    envelope: LiteralString = "''"

    @property
    def batch(self) -> LiteralString:
        """The column that names what mails were planned for together."""
        return self.key[1]
