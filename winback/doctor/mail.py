"""Mail as the doctor sees it: does the server take us, and do receivers know that it may send for the sender's domain."""

import ipaddress
import socket
from collections.abc import Iterator

import dns.exception
import dns.resolver

from shared import mail
from shared.errors import Misconfigured, Retryable
from shared.settings import settings
from shared.smtp import MailServer, Session, mail_server
from winback.doctor.findings import Finding, away, good, judged, note, wrong

ASK_SECONDS = 5.0
DNS_PORT = 53


def look() -> Iterator[Finding]:
    try:
        server = mail_server(settings().smtp_url)
        domain = mail.own_mailbox("").domain
    except Misconfigured as error:
        name, _, accepts = str(error).partition(": ")
        yield wrong("mail", str(error), f"Set {name}: {accepts}.")
        return
    yield from _server(server)
    yield from _domain(domain)


def _server(server: MailServer) -> Iterator[Finding]:
    place = f"{server.host}:{server.port}"
    try:
        session = Session(server)
    except Retryable as error:
        yield away("mail server", str(error), "Start it, or set WINBACK_SMTP_URL: scheme, user, password, host, port.")
        return
    how = {"none": "in the clear", "starttls": "after STARTTLS", "tls": "over TLS"}[server.security]
    as_whom = f" as {server.user}" if server.user else ""
    offers = session.offers("starttls")
    session.quit()
    if server.security == "none" and not is_local(server.host):
        yield wrong(
            "mail server",
            f"{place} is spoken to in the clear",
            "Use smtp+starttls:// in WINBACK_SMTP_URL." if offers else "Use smtps://, or a relay on this machine that encrypts.",
        )
    else:
        yield good("mail server", f"{place} takes mail {how}{as_whom}")


def is_local(host: str) -> bool:
    """This machine, or a name without a dot (a container beside us)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or "." not in host


def _domain(domain: str) -> Iterator[Finding]:
    if "." not in domain:
        yield note(
            "sender",
            f"{settings().mail_from} has no domain that others know",
            "Set WINBACK_MAIL_FROM to an address of your domain.",
        )
        return
    try:
        resolver = name_server()
        yield _spf(resolver, domain)
        yield _dkim(resolver, domain)
        yield _dmarc(resolver, domain)
        yield judged(
            "sender's mailbox",
            bool(records(resolver, domain, "MX") or records(resolver, domain, "A") or records(resolver, domain, "AAAA")),
            f"{domain} takes mail" if records(resolver, domain, "MX") else f"{domain} has no MX",
            "Give the domain an MX: receivers refuse senders that no bounce can reach.",
        )
    except (dns.exception.DNSException, OSError) as error:
        yield away(
            "domain", f"the name server does not answer: {error}", "Set WINBACK_RESOLVER, or mend this machine's /etc/resolv.conf."
        )


def _spf(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    found = [text for text in records(resolver, domain, "TXT") if text.lower().split(" ")[0] == "v=spf1"]
    publish = f'Publish at {domain}: TXT "v=spf1 include:YOUR-MAIL-SERVER -all".'
    if len(found) != 1:
        return wrong("spf", f"{len(found)} records at {domain}" if found else f"no record at {domain}", publish)
    words = found[0].lower().split()
    if "+all" in words or "all" in words:
        return wrong("spf", f"{found[0]}: everybody may send for {domain}", publish)
    if not any(word in ("-all", "~all") or word.startswith("redirect=") for word in words):
        return note("spf", f"{found[0]}: says nothing of other senders", "End it with -all.")
    return good("spf", found[0])


def _dkim(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    selector = settings().dkim_selector
    if not selector:
        return note("dkim", "no selector is set", "Let the mail server sign, and set WINBACK_DKIM_SELECTOR to its selector.")
    name = f"{selector}._domainkey.{domain}"
    found = [text for text in records(resolver, name, "TXT") if "p=" in text]
    tags = dict(part.strip().split("=", 1) for part in found[0].split(";") if "=" in part) if found else {}
    if not tags.get("p"):
        what = "the key was revoked" if found else "no key"
        return wrong("dkim", f"{what} at {name}", "Publish the key that the mail server signs with, as its documentation says.")
    return good("dkim", f"a key at {name}")


def _dmarc(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    """At the domain, else at the one above it that it belongs to."""
    labels = domain.split(".")
    for place in (domain, *([".".join(labels[1:])] if len(labels) > 2 else [])):
        found = [text for text in records(resolver, f"_dmarc.{place}", "TXT") if text.replace(" ", "").startswith("v=DMARC1")]
        if found:
            tags = dict(part.strip().split("=", 1) for part in found[0].split(";") if "=" in part)
            if tags.get("p") in ("none", None):
                return note(
                    "dmarc",
                    f"{found[0]} at _dmarc.{place}: only reports",
                    "Once the reports are clean: p=quarantine, then p=reject.",
                )
            return good("dmarc", f"{found[0]} at _dmarc.{place}")
    publish = f'Publish at _dmarc.{domain}: TXT "v=DMARC1; p=none; rua=mailto:YOU". Large receivers refuse bulk mail without it.'
    return wrong("dmarc", f"no record at _dmarc.{domain}", publish)


# -- names ------------------------------------------------------------------------------------------------------------------------


def name_server() -> dns.resolver.Resolver:
    """That of WINBACK_RESOLVER (host or host:port), else this machine's."""
    configured = settings().resolver
    resolver = dns.resolver.Resolver(configure=not configured)
    if configured:
        host, _, port = configured.rpartition(":") if configured.count(":") == 1 else (configured, "", "")
        address = socket.getaddrinfo(host, None)[0][4][0]
        resolver.nameservers = [str(address)]
        resolver.port = int(port or DNS_PORT)
    resolver.lifetime = ASK_SECONDS
    return resolver


def records(resolver: dns.resolver.Resolver, name: str, kind: str) -> list[str]:
    """The records of a name, a TXT in one piece; none where there is no such name. Raises DNSException."""
    try:
        answer = resolver.resolve(name, kind)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    if kind == "TXT":
        return [b"".join(record.strings).decode(errors="replace") for record in answer]
    return [record.to_text() for record in answer]
