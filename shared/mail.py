"""Building mail that is safe to send: addresses, header texts, multipart
messages, unsubscribe tokens.

Names from outside reach a header only through `header_text`, and headers are written here,
line by line: the email package of Python 3.11 decodes `=?utf-8?q?…?=` in a value that is set,
and a line break in it becomes a header of its own; it also encodes long links, which
List-Unsubscribe must not be.
"""

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.header import Header
from email.policy import compat32
from email.utils import format_datetime
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeSerializer

from shared import keys
from shared.errors import FieldError, Misconfigured, Rejected
from shared.settings import settings
from shared.wording import plain_name

LONGEST_HEADER = 200  # characters of a name or a subject
LONGEST_LINE = 998  # bytes (RFC 5322, 2.1.1)
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
)
LONGEST_ADDRESS = 254  # RFC 5321, 4.5.3.1.3


@dataclass(frozen=True, kw_only=True)
class Mailbox:
    """An address that was checked, with a name before it or none."""

    email: str
    name: str = ""

    @property
    def domain(self) -> str:
        """What stands behind the @."""
        return self.email.rpartition("@")[2]


def checked_address(email: str) -> str:
    """An address as SMTP takes it; a domain in other letters becomes its ASCII
    form, the point of the root at its end goes. Raises Rejected.
    """
    local, _, domain = email.strip().removesuffix(".").rpartition("@")
    try:
        plain = f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"
    except UnicodeError:
        plain = ""
    if len(plain) > LONGEST_ADDRESS or not _ADDRESS.fullmatch(plain):
        raise Rejected(
            FieldError(field="email", reason="is not an address that mail can be sent to")
        )
    return plain


def own_mailbox(name: str) -> Mailbox:
    """The address of WINBACK_MAIL_FROM with a name before it. Raises Misconfigured."""
    try:
        return Mailbox(email=checked_address(settings().mail_from), name=name)
    except Rejected:
        raise Misconfigured(
            "WINBACK_MAIL_FROM: must be a mail address such as winback@example.com"
        ) from None


# -- messages --------------------------------------------------------------------------------------


def message(
    *,
    sender: Mailbox,
    to: str,
    subject: str,
    message_id: str,
    at: datetime,
    text: str,
    html: str,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A multipart/alternative message as RFC 5322 bytes, its parts in UTF-8 as they are; the same
    for the same input.

    to: a checked address. message_id: unique@domain. headers: more of them, values that this
      project made itself.
    text, html: no line of more than 998 bytes. `seven_bit` makes of it what an old server takes.
    """
    boundary = f"={message_id.partition('@')[0]}="
    lines = {
        "From": _mailbox(sender),
        "To": to,
        "Subject": _encoded(header_text(subject), "Subject"),
        "Date": format_datetime(at),
        "Message-ID": f"<{message_id}>",
        **(headers or {}),
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    parts = [
        f"--{boundary}\r\n".encode() + _part(content, subtype)
        for subtype, content in (("plain", text), ("html", html))
    ]
    return head.encode("ascii") + b"\r\n" + b"".join(parts) + f"--{boundary}--\r\n".encode()


def header_text(text: str, *, longest: int = LONGEST_HEADER) -> str:
    """One line that no reader of mail takes for anything but text."""
    return plain_name(text, longest=longest).replace("=?", "= ?").replace("?=", "? =")


def _mailbox(mailbox: Mailbox) -> str:
    name = header_text(mailbox.name)
    if not name:
        return mailbox.email
    if not name.isascii():
        return f"{_encoded(name, 'From')} <{mailbox.email}>"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{mailbox.email}>'


def _encoded(text: str, header: str) -> str:
    """As RFC 2047 has it where there are other letters than ASCII's; folded."""
    return Header(text, None if text.isascii() else "utf-8", header_name=header).encode(
        linesep="\r\n"
    )


def _part(content: str, subtype: str) -> bytes:
    lines = content.encode().splitlines()
    assert all(len(line) <= LONGEST_LINE for line in lines)
    head = (
        f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n'
    )
    return head.encode() + b"\r\n".join(lines) + b"\r\n\r\n"


def seven_bit(message: bytes) -> bytes:
    """The same message with its parts in quoted-printable, for a server
    without 8BITMIME (RFC 6152).
    """
    parsed = message_from_bytes(message, policy=compat32.clone(linesep="\r\n", mangle_from_=False))
    for part in parsed.walk():
        if part.get("Content-Transfer-Encoding") == "8bit":
            body = part.get_payload(decode=True)
            assert isinstance(body, bytes)
            part.replace_header("Content-Transfer-Encoding", "quoted-printable")
            part.set_payload(
                binascii.b2a_qp(body.replace(b"\r\n", b"\n"), istext=True).decode("ascii")
            )
    return parsed.as_bytes()


# -- unsubscribing ---------------------------------------------------------------------------------


def unsubscribe_token(organization: str, email: str) -> str:
    """Signed, without an end: a link in an old mail still works."""
    return str(_serializer().dumps([organization, email]))


def read_unsubscribe_token(token: str) -> tuple[str, str] | None:
    """(organization, email); None for a token that is not ours."""
    return _read(token, "unsubscribe")


def unsubscribe_url(organization: str, email: str) -> str:
    """The page of the console that takes the token: a GET shows it, a POST acts (RFC 8058)."""
    return f"{settings().base_url.rstrip('/')}/unsubscribe/{unsubscribe_token(organization, email)}"


def unsubscribe_headers(organization: str, email: str) -> dict[str, str]:
    """One-click unsubscription (RFC 8058), offered only where the console is reached by https."""
    return _one_click(unsubscribe_url(organization, email))


def opt_out_url(organization: str, email: str) -> str:
    """Of a letter to a customer's contact: the page that ends them, as `unsubscribe_url` does for
    digests.
    """
    token = _serializer("opt-out").dumps([organization, email])
    return f"{settings().base_url.rstrip('/')}/opt-out/{token!s}"


def read_opt_out_token(token: str) -> tuple[str, str] | None:
    """(organization, email); None for a token that is not ours, or of a digest."""
    return _read(token, "opt-out")


def proof_url(organization: str, email: str) -> str:
    """Of the page on which a member says that an address is theirs."""
    token = str(_serializer("proof").dumps([organization, email]))
    return f"{settings().base_url.rstrip('/')}/o/{organization}/settings/sending/prove/{token}"


def read_proof_token(token: str) -> tuple[str, str] | None:
    """(organization, email); None for a token that is not ours."""
    return _read(token, "proof")


def opt_out_headers(organization: str, email: str) -> dict[str, str]:
    """As `unsubscribe_headers`, of a letter."""
    return _one_click(opt_out_url(organization, email))


def _one_click(url: str) -> dict[str, str]:
    if urlsplit(url).scheme != "https":
        return {}
    return {
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _read(token: str, salt: str) -> tuple[str, str] | None:
    try:
        organization, email = _serializer(salt).loads(token)
    except (BadData, ValueError, TypeError):
        return None
    return str(organization), str(email)


def _serializer(salt: str = "unsubscribe") -> URLSafeSerializer:
    if not settings().secret:
        raise Misconfigured(
            "WINBACK_SECRET: is empty; 32 random characters or more sign the unsubscribe links"
        )
    # links in mails of the version before are signed by the secret itself
    plain = [secret.encode() for secret in (settings().secret_before, settings().secret) if secret]
    return URLSafeSerializer([*plain, *keys.keys("unsubscribe")], salt=salt)
