"""A letter as it goes out, and its outbox.

It is a mail as a person writes one: from the account owner's own address, text first with a plain
HTML twin, in the thread of the letter before, with a way to opt out in words and in the header. No
pixel, no rewritten links, no header that would silence who is away.
"""

import hmac
import re
import textwrap
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from html import escape
from typing import Any

from services.sequences import letters_store as store
from services.sequences import reply_addresses
from services.sequences.due_store import Due
from services.sequences.flow_store import Person
from shared import clock, db, keys, mail, metrics
from shared.domain import placeholders
from shared.domain.last_word import refusal
from shared.events import Step
from shared.ids import derived
from shared.outbox.table import Claimed, Outbox

LINE = 78
LONGEST_WORD = 180  # characters: a line of a mail has 998 bytes, and escaped each may take five
SIGNATURE = "-- "
_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")


@dataclass(frozen=True, kw_only=True)
class Thread:
    """The letters before this one: their Message-IDs in order, and the subject of the first."""

    message_ids: Sequence[str]
    subject: str


def letter(
    due: Due,
    step: Step,
    thread: Thread | None,
    *,
    postal_address: str,
    at: datetime,
    by_door: bool = False,
) -> dict[str, Any]:
    """A row of the outbox. by_door: answers come to us too. Raises Rejected where a text has a
    variable that has no value.
    """
    token = token_of(due.person, due.step)
    sender = mail.Mailbox(email=mail.checked_address(due.sender), name=_name(due))
    subject = placeholders.fill(step.subject, due.variables).strip()
    if not subject and thread is not None:
        subject = f"Re: {thread.subject}"
    text = placeholders.fill(step.text, due.variables)
    opt_out = mail.opt_out_url(due.person.organization, due.email)
    by_door = by_door and bool(reply_addresses.domain())
    message_id = f"m.{token}@{reply_addresses.domain() if by_door else sender.domain}"
    return due.person.key | {
        "step": due.step,
        "email": due.email,
        "sender": sender.email,
        "envelope": reply_addresses.address("b", token) if by_door else sender.email,
        "token": token,
        "subject": subject,
        "message_id": message_id,
        "at": at,
        "message": mail.message(
            sender=sender,
            to=due.email,
            subject=subject,
            message_id=message_id,
            at=at,
            text=plain(text, opt_out, postal_address),
            html=html(text, opt_out, postal_address),
            headers={
                "Reply-To": _reply_to(sender, token) if by_door else sender.email,
                **_thread_headers(message_id, thread if not step.subject.strip() else None),
                **_opt_out_headers(due, token, by_door=by_door),
            },
        ),
    }


def _reply_to(sender: mail.Mailbox, token: str) -> str:
    """The rep has the answer whether or not we run."""
    return f"{sender.email}, {reply_addresses.address('r', token)}"


def _opt_out_headers(due: Due, token: str, *, by_door: bool) -> dict[str, str]:
    headers = mail.opt_out_headers(due.person.organization, due.email)
    if not by_door:
        return headers
    by_mail = f"<mailto:{reply_addresses.address('u', token)}?subject=unsubscribe>"
    page = headers.get("List-Unsubscribe")
    return headers | {"List-Unsubscribe": f"{page},\r\n {by_mail}" if page else by_mail}


def token_of(person: Person, step: int) -> str:
    """Small letters and digits that name a letter, and that nobody guesses."""
    mail_id = derived("letter", *person.key.values(), str(step))
    digest = hmac.new(keys.key("letters"), mail_id.encode(), sha256).digest()
    return b32encode(digest).decode().lower()[: reply_addresses.TOKEN_LETTERS]


def plain(text: str, opt_out: str, postal_address: str) -> str:
    """The text part: paragraphs, the way out, the address."""
    foot = f"{OPT_OUT}\n{opt_out}"
    parts = [*paragraphs(text), SIGNATURE, foot, postal_address]
    lines = [line for part in parts if part for line in [*_wrapped(part), ""]]
    return "\n".join(lines)


def html(text: str, opt_out: str, postal_address: str) -> str:
    """Its twin: the same paragraphs and links, nothing else."""
    body = [f"<p>{_linked(part)}</p>" for part in paragraphs(text)]
    foot = f'<p>{OPT_OUT}\n<a href="{escape(opt_out)}">{escape(opt_out)}</a></p>'
    address = [f"<p>{_linked(postal_address)}</p>"] if postal_address else []
    return "\n".join(["<!doctype html>", "<html><body>", *body, foot, *address, "</body></html>"])


OPT_OUT = "You get this from a person who can read your answer. To get no more of these letters:"


def paragraphs(text: str) -> list[str]:
    """What blank lines keep apart."""
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def guard(connection: db.Connection, claimed: Claimed) -> str | None:
    """Asked with the dot still to be written, and held until it is: whether the enrollment is open,
    and all that is asked of it is as it was.
    """
    person = person_of(claimed)
    held = store.hold_person(connection, person)
    if held is None:
        return "closed"
    facts = store.facts(connection, person, state=held[0], email=claimed.email)
    return "closed" if facts is None else refusal(facts, at=clock.now())


def unheld(connection: db.Connection, claimed: Claimed) -> None:
    """The dot went out, and the lock was gone before: did a stop come in between?"""
    if store.is_stopped(connection, person_of(claimed)):
        metrics.OUTREACH_AFTER_STOP.inc()


def person_of(claimed: Claimed) -> Person:
    """Whom a letter is for."""
    names = ("organization", "sequence", "account", "contact")
    return Person(**{name: str(claimed.key[name]) for name in names})


LETTERS = Outbox(
    name="sequences",
    table="sequence_mails",
    key=("organization", "sequence", "account", "contact", "step"),
    most_ambiguous=1,
    guard=guard,
    unheld=unheld,
    envelope="m.envelope",
)


def _name(due: Due) -> str:
    """Beside the address: the rep's name as the ERP has it, else the organization's."""
    owner = (due.owner or "").strip()
    return owner if owner and "@" not in owner else due.organization_name


def _thread_headers(message_id: str, thread: Thread | None) -> dict[str, str]:
    """Mail services put other Message-IDs in place of ours: ours is kept in References."""
    if thread is None or not thread.message_ids:
        return {"References": f"<{message_id}>"}
    ids = [f"<{one}>" for one in (message_id, *thread.message_ids)]
    return {"In-Reply-To": f"<{thread.message_ids[-1]}>", "References": "\r\n ".join(ids)}


def _wrapped(part: str) -> list[str]:
    """Lines as mail programs show them."""
    return [
        wrapped.rstrip() if part != SIGNATURE else part
        for line in _bearable(part).split("\n")
        for wrapped in textwrap.wrap(
            line, LINE, break_long_words=False, break_on_hyphens=False, drop_whitespace=False
        )
        or [""]
    ]


def _linked(text: str) -> str:
    """As HTML, with what is a link as a link; no line is longer than a mail's."""
    found, last = "", 0
    text = _bearable(text)
    for link in _LINK.finditer(text):
        found += escape(text[last : link.start()])
        found += f'<a href="{escape(link[0])}">{escape(link[0])}</a>'
        last = link.end()
    found += escape(text[last:])
    return "<br>\n".join(
        "\n".join(textwrap.wrap(line, LONGEST_WORD, break_long_words=False, break_on_hyphens=False))
        for line in found.split("\n")
    )


def _bearable(text: str) -> str:
    """Without words that are too long for a line of a mail: a break is put into them."""
    return _LONG_WORD.sub(
        lambda word: "\n".join(
            word[0][begin : begin + LONGEST_WORD] for begin in range(0, len(word[0]), LONGEST_WORD)
        ),
        text,
    )
