"""Mail as the doctor sees it: does the server take us, and do receivers know that it may send for
the sender's domain (domain).
"""

import ipaddress
from collections.abc import Iterator

from shared import mail
from shared.errors import Misconfigured, Retryable
from shared.settings import settings
from shared.smtp import MailServer, Session, mail_server
from winback.doctor import domain as sender
from winback.doctor.findings import Finding, away, good, wrong


def look() -> Iterator[Finding]:
    try:
        server = mail_server(settings().smtp_url)
        domain = mail.own_mailbox("").domain
    except Misconfigured as error:
        name, _, accepts = str(error).partition(": ")
        yield wrong("mail", str(error), f"Set {name}: {accepts}.")
        return
    yield from _server(server)
    yield from sender.look(domain, None if is_local(server.host) else server.host)


def _server(server: MailServer) -> Iterator[Finding]:
    place = f"{server.host}:{server.port}"
    try:
        session = Session(server)
    except Retryable as error:
        yield away(
            "mail server",
            str(error),
            "Start it, or set WINBACK_SMTP_URL: scheme, user, password, host, port.",
        )
        return
    how = {"none": "in the clear", "starttls": "after STARTTLS", "tls": "over TLS"}[server.security]
    as_whom = f" as {server.user}" if server.user else ""
    offers = session.offers("starttls")
    session.quit()
    if server.security == "none" and not is_local(server.host):
        yield wrong(
            "mail server",
            f"{place} is spoken to in the clear",
            "Use smtp+starttls:// in WINBACK_SMTP_URL."
            if offers
            else "Use smtps://, or a relay on this machine that encrypts.",
        )
    else:
        yield good("mail server", f"{place} takes mail {how}{as_whom}")


def is_local(host: str) -> bool:
    """This machine, or a name without a dot (a container beside us)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or "." not in host
