"""Handing mail to a server, one recipient per transaction, knowing what is certain and what is not.

    sent      the server said 250 after the final dot: it has the mail
    retry     it certainly has not, and may take it later (4xx, no connection,
              lost before the final dot)
    bounced   it never will (5xx)
    unknown   the final dot went out and no answer came back: it may have the mail

The final dot is a separate write, made inside of the caller's `at_final_dot`. On entering it the
caller can put down, durably, that from now on the mail may have arrived, and take locks that it
gives back once the dot is written. Where it says no, the connection is dropped and the server has
nothing.
"""

import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from shared.errors import Misconfigured, Retryable
from shared.mail import seven_bit

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 20.0
QUIT_SECONDS = 2.0
# after the final dot the server may scan the mail; RFC 5321 would wait 10 minutes
ANSWER_SECONDS = 60.0

SERVICE_CLOSING = 421

Security = Literal["none", "starttls", "tls"]
_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}
_LINE_THAT_STARTS_WITH_A_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """Where mail is handed over, and how."""

    host: str
    port: int
    security: Security
    user: str | None = None
    password: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is known of a mail after a transaction; `text` is the server's reply, or what happened
    instead of one.
    """

    state: Literal["sent", "retry", "bounced", "unknown", "dropped"]  # dropped: by at_final_dot
    text: str


def mail_server(url: str) -> MailServer:
    """Read WINBACK_SMTP_URL. Raises Misconfigured."""
    try:
        parts = urlsplit(url)
        security, default_port = _SCHEMES[parts.scheme]
        port = parts.port or default_port
    except (KeyError, ValueError):
        parts = None
    if (
        parts is None
        or not parts.hostname
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
    ):
        raise Misconfigured(
            "WINBACK_SMTP_URL: must be smtp://, "
            "smtp+starttls:// or smtps://, then [user:password@]host[:port]"
        )
    return MailServer(
        host=parts.hostname,
        port=port,
        security=security,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


class Session:
    """One connection. After an answer that leaves it unusable it is closed: `is_open` says so."""

    def __init__(self, server: MailServer) -> None:
        """Connect, secure, log in. Raises Retryable with the reason; no mail is to blame for it."""
        self.is_open = False
        try:
            self._smtp = self._connect(server)
        except (OSError, smtplib.SMTPException) as error:
            raise Retryable(
                f"the mail server {server.host}:{server.port} does not take mail: {_words(error)}"
            ) from None
        self.is_open = True

    def _connect(self, server: MailServer) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if server.security == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=CONNECT_SECONDS, context=context
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=CONNECT_SECONDS)
        try:
            smtp.ehlo_or_helo_if_needed()
            if server.security == "starttls":
                smtp.starttls(context=context)
            # the final dot is a small write behind a large one: it must not wait for an ACK
            if smtp.sock is not None:
                smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if server.user is not None:
                smtp.login(server.user, server.password or "")
        except BaseException:
            smtp.close()
            raise
        return smtp

    def offers(self, extension: str) -> bool:
        """An extension that the server named in its answer to EHLO."""
        return self._smtp.has_extn(extension)

    def send(
        self,
        *,
        sender: str,
        recipient: str,
        message: bytes,
        at_final_dot: AbstractContextManager[bool],
    ) -> Answer:
        """One transaction. `message` has CRLF line ends; addresses were checked
        (`mail.checked_address`).

        at_final_dot: entered once the server has all but the dot, left when the dot is written. It
        says whether the dot may be written.
        """
        dotted = False
        try:
            self._timeout(COMMAND_SECONDS)
            if not (self._smtp.has_extn("8bitmime") or message.isascii()):
                message = seven_bit(message)
            refusal = self._envelope(
                sender, recipient, () if message.isascii() else ("BODY=8BITMIME",)
            )
            if refusal is not None:
                return refusal
            self._smtp.send(_LINE_THAT_STARTS_WITH_A_DOT.sub(b"..", message))
            with at_final_dot as may_be_written:
                if not may_be_written:
                    self.close()
                    return Answer(state="dropped", text="given up before the final dot")
                self._timeout(ANSWER_SECONDS)
                dotted = True
                self._smtp.send(b".\r\n")
            return self._answer(*self._smtp.getreply())
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            if dotted:
                return Answer(
                    state="unknown", text=f"no answer after the final dot: {_words(error)}"
                )
            return Answer(state="retry", text=f"lost before the final dot: {_words(error)}")

    def quit(self) -> None:
        """Say good-bye."""
        if self.is_open:
            self.is_open = False
            try:
                self._timeout(QUIT_SECONDS)
                self._smtp.quit()
            except (OSError, smtplib.SMTPException):
                self._smtp.close()

    def close(self) -> None:
        """Hang up; the server keeps nothing that had no final dot."""
        if self.is_open:
            self.is_open = False
            self._smtp.close()

    def _envelope(self, sender: str, recipient: str, options: Sequence[str]) -> Answer | None:
        """MAIL, RCPT, DATA; None where the server waits for the message."""
        code, text = self._smtp.mail(sender, options)
        # our own address is refused: a setting, which a person can correct while the mail waits
        if code != 250:
            return self._refused(code, text, never="retry")
        code, text = self._smtp.rcpt(recipient)
        if code not in (250, 251):
            return self._refused(code, text)
        code, text = self._smtp.docmd("DATA")
        return None if code == 354 else self._refused(code, text)

    def _refused(
        self, code: int, text: bytes, *, never: Literal["retry", "bounced"] = "bounced"
    ) -> Answer:
        """Clear the transaction, so that the next recipient has a fresh one."""
        reply = _reply(code, text)
        if code == SERVICE_CLOSING:
            self.close()
        else:
            self._smtp.rset()
        return Answer(state=never if code >= 500 else "retry", text=reply)

    def _answer(self, code: int, text: bytes) -> Answer:
        """What the server says after the final dot."""
        if code == SERVICE_CLOSING:
            self.close()
        if 200 <= code < 300:
            return Answer(state="sent", text=_reply(code, text))
        if code < 0:  # no number: nobody can say what it means
            self.close()
            return Answer(state="unknown", text=f"no answer that can be read: {_reply(code, text)}")
        return Answer(state="bounced" if code >= 500 else "retry", text=_reply(code, text))

    def _timeout(self, seconds: float) -> None:
        if self._smtp.sock is not None:
            self._smtp.sock.settimeout(seconds)


def _reply(code: int, text: bytes) -> str:
    return f"{code} {text.decode('utf-8', 'replace')}"[:500]


def _words(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:300]
