"""What people and their mail servers would answer to a mail in the sink, handed to the door of
answers: so that one machine shows what an answer does.

A reply goes where a mail program sends it (Reply-To, else From), a report where a server does (the
envelope's sender). What goes to another domain than the door's is not sent.
"""

import smtplib
import time
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import getaddresses, make_msgid

HOST = "127.0.0.1"
TRIES, PAUSE_SECONDS, TIMEOUT_SECONDS = 20, 1.0, 20.0
KINDS = {
    "reply": "Answer",
    "away": "Out of office",
    "bounce": "No such address",
    "spam": "Press spam",
    "unsubscribe": "Opt out by mail",
}
TEXTS = {
    "reply": "Thanks, call me on Thursday.",
    "away": "I am out of the office until next week.",
}

REPORT = """\
From: MAILER-DAEMON@{domain}
To: {recipient}
Subject: {subject}
MIME-Version: 1.0
Content-Type: multipart/report; report-type={type}; boundary="report"

--report
Content-Type: text/plain

{words}

--report
Content-Type: message/{type}

{fields}
--report
Content-Type: text/rfc822-headers

Message-ID: {message_id}

--report--
""".replace("\n", "\r\n")
FAILED = """\
Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {to}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown
""".replace("\n", "\r\n")
COMPLAINED = "Feedback-Type: abuse\r\nUser-Agent: sink/1\r\nVersion: 1\r\n"


class NotHandedOn(Exception):
    """Nothing takes it: the mail has no address at the door, or the door refuses it."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where mail for `domain` goes."""

    domain: str
    port: int

    def is_for(self, address: str) -> bool:
        """Whether an address is there."""
        return address.lower().endswith(f"@{self.domain.lower()}")

    def hand_on(self, sender: str, recipients: list[str], content: bytes) -> str:
        """As a mail server does: tried for a while. Returns what the door said at last."""
        said = ""
        for _ in range(TRIES):
            try:
                with smtplib.SMTP(HOST, self.port, timeout=TIMEOUT_SECONDS) as smtp:
                    smtp.sendmail(sender, recipients, content)
                return "250"
            except smtplib.SMTPRecipientsRefused as error:
                code, text = next(iter(error.recipients.values()))
                said = f"{code} {text.decode(errors='replace')}"
                if code >= 500:
                    return said
            except (OSError, smtplib.SMTPException) as error:
                said = str(error)
            time.sleep(PAUSE_SECONDS)
        return said

    def answer(self, letter: EmailMessage, *, to: str, envelope: str, kind: str, text: str) -> str:
        """What `to` or their server says to a letter. Returns the door's answer.

        envelope: whose mail it was, as the server was told. Raises NotHandedOn.
        """
        where = {
            "reply": _addresses(letter, "Reply-To") or _addresses(letter, "From"),
            "away": [envelope],
            "bounce": [envelope],
            "spam": [envelope],
            "unsubscribe": _mailto(letter),
        }[kind]
        recipients = [address for address in where if self.is_for(address)]
        if not recipients:
            raise NotHandedOn(f"this mail has no address at {self.domain}")
        message = _message(letter, to=to, recipient=recipients[0], kind=kind, text=text)
        sender = to if kind in ("reply", "unsubscribe") else ""
        return self.hand_on(sender, recipients, message)


def _addresses(letter: EmailMessage, header: str) -> list[str]:
    return [address for _, address in getaddresses([str(letter.get(header, ""))]) if address]


def _mailto(letter: EmailMessage) -> list[str]:
    header = str(letter.get("List-Unsubscribe", ""))
    parts = [part.strip(" <>\r\n\t") for part in header.split(",")]
    return [part[7:].partition("?")[0] for part in parts if part.startswith("mailto:")]


def _message(letter: EmailMessage, *, to: str, recipient: str, kind: str, text: str) -> bytes:
    subject = str(letter.get("Subject", ""))
    if kind in ("bounce", "spam"):
        return _report(letter, to=to, recipient=recipient, kind=kind)
    message = EmailMessage()
    message["From"], message["To"] = to, recipient
    prefix = {"reply": "Re: ", "away": "Automatic reply: "}.get(kind, "")
    message["Subject"] = "unsubscribe" if kind == "unsubscribe" else f"{prefix}{subject}"
    message["Message-ID"] = make_msgid(domain=to.rpartition("@")[2] or "winback.test")
    message["In-Reply-To"] = str(letter.get("Message-ID", ""))
    if kind == "away":
        message["Auto-Submitted"] = "auto-replied"
    message.set_content(text or TEXTS.get(kind, ""))
    return message.as_bytes(policy=policy.SMTP)


def _report(letter: EmailMessage, *, to: str, recipient: str, kind: str) -> bytes:
    """As RFC 3464 has it of an address that is none, or RFC 5965 of a complaint."""
    failed = kind == "bounce"
    return REPORT.format(
        domain=to.rpartition("@")[2],
        recipient=recipient,
        subject="Undelivered Mail Returned to Sender" if failed else "Complaint",
        type="delivery-status" if failed else "feedback-report",
        words="It could not be delivered." if failed else "Somebody pressed the button for spam.",
        fields=FAILED.format(to=to) if failed else COMPLAINED,
        message_id=letter.get("Message-ID", ""),
    ).encode()
