"""What a mail is that came back to us: opt-out, complaint, report of a failure, automatic answer,
or somebody's reply.

Whoever answers by hand must be heard, so what fits no other row is a reply. A mail is hostile until
shown otherwise: only so many bytes, headers and parts are looked at, and what cannot be taken apart
is a reply.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32
from enum import StrEnum
from itertools import islice

from shared.domain.delivery_failures import Failure, failure_of

MOST_BYTES = 256 * 1024  # of a mail that are read; the door keeps no more
MOST_HEADER = 1_000  # characters of a header that are decoded
MOST_TEXT = 20_000  # characters of its text that are looked at
MOST_PARTS = 100
SAID = 500  # characters of `said`


class Kind(StrEnum):
    """What it is, and so what it does."""

    OPT_OUT = "opt-out"
    COMPLAINT = "complaint"
    NOTICE = "notice"  # delayed, delivered, read; a report on signatures
    UNDELIVERABLE = "undeliverable"
    SOFT = "soft"
    OURS = "ours"
    AWAY = "away"
    REPLY = "reply"


@dataclass(frozen=True, kw_only=True)
class Received:
    """A mail that came back. said: the words that decided, for people; SAID characters at most."""

    kind: Kind
    said: str


_OF_FAILURE = {
    Failure.UNDELIVERABLE: Kind.UNDELIVERABLE,
    Failure.SOFT: Kind.SOFT,
    Failure.OURS: Kind.OURS,
}
_REPORTS = frozenset(
    {"message/delivery-status", "message/global-delivery-status", "message/x-delivery-status"}
)
_HOTMAIL = "X-HmXmrOriginalRecipient"  # its reports are the letter, with this header, and no more
_NO_FAILURE = frozenset({"delayed", "delivered", "relayed", "expanded"})
_POSTMASTERS = ("mailer-daemon", "postmaster", "mail delivery", "mail deliver", "maildaemon")
_AUTOMATIC_SUBJECT = re.compile(
    r"auto(?:matic|mated|matisch\w{0,2}|-?)[ -]?(?:reply|response|answer|antwort)|auto:"
    r"|automatische antwort|abwesenheit|out of (?:the )?office|ooo:|réponse automatique"
    r"|absence|respuesta automática|fuera de la oficina|risposta automatica|resposta automática"
    r"|automatisch antwoord|afwezigheid|automatisk svar|automaattinen vastaus|自動返信|自动回复"
    r"|автоответ|automatická odpověď|odpowiedź automatyczna|on vacation",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"undeliver|deliver.{0,40}?fail|fail.{0,40}?deliver|returned mail|failure notice|non-?delivery"
    r"|returning message|permanent|reject|unable to|not (?:be )?(?:delivered|deliver)|could not"
    r"|couldn't|wasn't able|delivery (?:error|problem|status|has)|error|bounce|配信|エラー"
    r"|unzustellbar|nicht zugestellt|non remis|no se ha podido",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"not yet been delivered|delivery attempts will continue"
    r"|will (?:continue to )?(?:be )?retr(?:y|ied)|do not need to resend|no action is required",
    re.IGNORECASE,
)
_WANTS_OUT = re.compile(
    r"(?:please )?(?:unsubscribe|stop|remove|abmelden|austragen|opt[ -]?out"
    r"|unsubscribe me|remove me|désabonner|désinscrire|baja|cancelar suscripción)"
    r"(?: me| please| bitte)?",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])", re.ASCII)
# Where the copy of what was sent begins, in reports that are one text.
_COPY = re.compile(
    r"below this line is a copy|this is a copy of (?:the|your) message|original message follows"
    r"|unsent message (?:below|follows)|undelivered message follows|original message -----"
    r"|message header follows|returned message follows|included is a copy|^received: "
    r"|content of original|first \d{1,3} lines of the original|message text follows",
    re.IGNORECASE | re.MULTILINE,
)
# Where a report begins to quote the server that refused it.
_QUOTES_SERVER = re.compile(
    r"smtp error from remote|did not like our|remote host (?:[\d.]{7,15} )?said|said:"
    r"|reason:|because:|<<< [245]\d\d|failed:|transcript of session|failure reasons|did not accept",
    re.IGNORECASE,
)
# Where the letter that is answered begins, below the answer.
_QUOTED = re.compile(
    r"^(?:>|On .{1,200}wrote:|Am .{1,200}schrieb|Le .{1,200}écrit|-{2,}|_{5,})", re.M
)


def classify(source: bytes, *, envelope_from: str, to_opt_out: bool = False) -> Received:
    """What a mail is.

    source: its bytes as they came; only the first MOST_BYTES count.
    envelope_from: the sender of the envelope; "" is that of reports.
    to_opt_out: it came to the address that a letter names for opting out; whatever its headers say,
    it is one.
    """
    if to_opt_out:
        return _received(Kind.OPT_OUT, "it was sent to the address for opting out")
    try:
        mail = message_from_bytes(source[:MOST_BYTES], policy=compat32)
        parts = list(islice(mail.walk(), MOST_PARTS))
        return (
            _feedback(parts)
            or _receipt(parts)
            or _report(parts)
            or _automatic(mail, envelope_from)
            or _report_in_words(mail, parts, envelope_from)
            or _reply(mail, parts)
        )
    except (MessageError, RecursionError, LookupError, ValueError, TypeError, AttributeError):
        return _received(Kind.REPLY, "it could not be taken apart")


def header_of(mail: Message, name: str) -> str:
    """A header as people read it, in one line; "" where there is none."""
    value = str(mail.get(name, "") or "")[:MOST_HEADER]
    # else as it is: it names a character set that nobody knows, or is none of it
    with suppress(LookupError, ValueError, MessageError):
        value = str(make_header(decode_header(value)))
    return " ".join(value.split())


def text_of(parts: list[Message]) -> str:
    """What a mail says, of its plain parts, else of its HTML without tags."""
    for kind in ("text/plain", "text/html"):
        texts = [_decoded(part) for part in parts if part.get_content_type() == kind]
        if any(text.strip() for text in texts):
            text = "\n".join(texts)[:MOST_TEXT]
            return text if kind == "text/plain" else _without_tags(text)
    content = parts[0].get_payload() if parts else ""
    return content[:MOST_TEXT] if isinstance(content, str) else ""  # parts that say no boundary


def _received(kind: Kind, said: str) -> Received:
    return Received(kind=kind, said=" ".join(said[: 2 * SAID].split())[:SAID])


def _feedback(parts: list[Message]) -> Received | None:
    """Row 2: a report by the recipient's provider that somebody pressed *spam*."""
    for part in parts:
        if part.get_content_type() != "message/feedback-report":
            continue
        fields = {key: value for block in _blocks(part) for key, value in block.items()}
        kind = fields.get("feedback-type", "abuse").lower()
        if kind.startswith("opt-out"):
            return _received(Kind.OPT_OUT, "feedback report: opt-out")
        failed = kind in ("auth-failure", "dmarc")
        return _received(Kind.NOTICE if failed else Kind.COMPLAINT, f"feedback report: {kind}")
    if any(part.get(_HOTMAIL) for part in parts[1:]):
        return _received(Kind.COMPLAINT, "feedback report of Outlook.com")
    return None


def _receipt(parts: list[Message]) -> Received | None:
    """Row 3: somebody's program says that the letter was shown."""
    kinds = {part.get_content_type() for part in parts}
    found = "message/disposition-notification" in kinds
    return _received(Kind.NOTICE, "a receipt: it was shown") if found else None


def _report(parts: list[Message]) -> Received | None:
    """Rows 3 to 6: a status notification (RFC 3464), of the first recipient that failed."""
    actions: list[str] = []
    for part in parts:
        if part.get_content_type() not in _REPORTS:
            continue
        for block in _blocks(part):
            if not block.keys() & {"final-recipient", "original-recipient", "action"}:
                continue  # of the mail as a whole
            action = (block.get("action", "failed").lower().split() or ["failed"])[0].strip(";")
            status = block.get("status", "")
            if action in _NO_FAILURE or status.startswith("2."):
                actions.append(action)
                continue
            words = block.get("diagnostic-code", "")
            told = words if _tells(words) else f"{words} {_spoken(text_of(parts))}"
            failure = failure_of(status, told)
            return _received(_OF_FAILURE[failure], f"{status} {words}".strip() or told)
    return _received(Kind.NOTICE, f"a report: {actions[0]}") if actions else None


def _tells(words: str) -> bool:
    """Whether a diagnostic says more than a code."""
    return len(re.findall(r"[A-Za-z]{3,}", words[:SAID])) >= 3


def _automatic(mail: Message, envelope_from: str) -> Received | None:
    """Row 7: a program answered that somebody is away."""
    if _by_postmaster(mail):
        return None
    subject = header_of(mail, "Subject")
    if _WANTS_OUT.fullmatch(subject.strip(" .!,")):  # a program that asks for its person
        return _received(Kind.OPT_OUT, subject)
    submitted = header_of(mail, "Auto-Submitted").lower().split(";")[0].strip()
    marked = (
        submitted not in ("", "no")
        or bool(mail.get("X-Autoreply"))
        or bool(mail.get("X-Autorespond"))
        or header_of(mail, "X-Apple-Action").upper() == "VACATION"
        or header_of(mail, "Precedence").lower() == "auto_reply"
    )
    if marked or (not envelope_from and _AUTOMATIC_SUBJECT.search(subject)):
        return _received(Kind.AWAY, subject or "an automatic answer")
    return None


def _report_in_words(mail: Message, parts: list[Message], envelope_from: str) -> Received | None:
    """Rows 4 to 6 and 8: a report that is only a text, as qmail and Exim write them."""
    if envelope_from and not _by_postmaster(mail):
        return None
    subject = header_of(mail, "Subject")
    text = _spoken(text_of(parts))
    if _DELAYED.search(text):
        return _received(Kind.NOTICE, "it is late, and still tried")
    if not _FAILED.search(f"{subject}\n{text}"):
        return _received(Kind.SOFT, subject or "a mail without a sender")
    code = _CODE.search(text)
    return _received(_OF_FAILURE[failure_of(code[0] if code else "", text)], text or subject)


def _reply(mail: Message, parts: list[Message]) -> Received:
    """Row 9: whatever else somebody sends; one that only asks to be left alone is an opt-out."""
    subject = header_of(mail, "Subject")
    text = text_of(parts)
    quoted = _QUOTED.search(text)
    own = " ".join((text[: quoted.start()] if quoted else text).split())
    alone = (own or subject).strip(" .!,")
    if _WANTS_OUT.fullmatch(alone):
        return _received(Kind.OPT_OUT, alone)
    return _received(Kind.REPLY, own or subject)


def _by_postmaster(mail: Message) -> bool:
    return any(name in header_of(mail, "From").lower() for name in _POSTMASTERS)


def _spoken(text: str) -> str:
    """What a report says itself: not the copy of the letter below it, and from the server's own
    words on where it quotes them.
    """
    copy = _COPY.search(text)
    text = text[: copy.start()] if copy else text
    quoted = _QUOTES_SERVER.search(text)
    return text[quoted.start() :] if quoted else text


def _decoded(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    try:
        return raw[: 4 * MOST_TEXT].decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return raw[: 4 * MOST_TEXT].decode("latin-1")


def _without_tags(text: str) -> str:
    return re.sub(r"<[^<>]*>", " ", text)


def _blocks(part: Message) -> Iterator[dict[str, str]]:
    """The groups of fields of a report, names in small letters."""
    content = part.get_payload()
    if isinstance(content, list):
        for message in content:
            if isinstance(message, Message):
                yield {name.lower(): str(value) for name, value in message.items()}
        return
    for group in re.split(r"\r?\n\r?\n", str(content or "")[:MOST_TEXT]):
        block: dict[str, str] = {}
        name = ""
        for line in group.splitlines():
            if line[:1] in (" ", "\t") and name:
                block[name] += f" {line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                block[name] = value.strip()
        if block:
            yield block
