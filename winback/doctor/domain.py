"""The sender's domain as receivers see it: who may send for it (SPF), the key of its signatures
(DKIM), its policy (DMARC), and whether a bounce finds it.

checkdmarc reads SPF and DMARC records: it follows `include` and `redirect`, resolves `a` and `mx`,
counts look-ups (RFC 7208, 4.6.4), and walks up the tree for a policy. What the record says of one
address is worked out in `spf`, from what it found.
"""

import base64
import binascii
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import dns.exception
import dns.resolver
from checkdmarc.dmarc import check_dmarc
from checkdmarc.spf import check_spf
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from shared import mail
from shared.settings import settings
from winback.doctor.findings import Finding, away, good, judged, note, wrong
from winback.doctor.spf import ASK_SECONDS, Address, Mail, Record, records

DNS_PORT = 53
# nobody's (RFC 1112, 4): what is said of it is said of everybody else
STRANGER = ip_address("240.0.0.1")
LEAST_RSA_BITS, GOOD_RSA_BITS = 1024, 2048  # RFC 8301, 3.2
ED25519_BYTES = 32
SIGN = "Publish the key that the mail server signs with, as its documentation says."


def look(domain: str, relay: str | None) -> Iterator[Finding]:
    """relay: the host that mail is handed to, where it is not on this machine."""
    if "." not in domain:
        yield note(
            "sender",
            f"{settings().mail_from} has no domain that others know",
            "Set WINBACK_MAIL_FROM to an address of your domain.",
        )
        return
    try:
        resolver = name_server()
        takes_mail = records(resolver, domain, "MX")
        yield _spf(resolver, domain, relay_addresses(relay))
        yield _dkim(resolver, domain)
        yield _dmarc(resolver, domain)
        yield judged(
            "sender's mailbox",
            bool(takes_mail or records(resolver, domain, "A") or records(resolver, domain, "AAAA")),
            f"{domain} takes mail" if takes_mail else f"{domain} has no MX",
            "Give the domain an MX: receivers refuse senders that no bounce can reach.",
        )
    except (dns.exception.DNSException, OSError) as error:
        yield away(
            "domain",
            f"the name server does not answer: {error}",
            "Set WINBACK_RESOLVER, or mend this machine's /etc/resolv.conf.",
        )


# -- SPF -------------------------------------------------------------------------------------------


def _spf(resolver: dns.resolver.Resolver, domain: str, relay: Sequence[Address]) -> Finding:
    texts = [
        text for text in records(resolver, domain, "TXT") if text.lower().split(" ")[0] == "v=spf1"
    ]
    publish = f'Publish at {domain}: TXT "v=spf1 include:YOUR-MAIL-SERVER -all".'
    if len(texts) != 1:
        return wrong(
            "spf",
            f"{len(texts)} records at {domain}" if texts else f"no record at {domain}",
            publish,
        )
    found = check_spf(domain, resolver=resolver, timeout=ASK_SECONDS, retries=0)
    if not found["valid"]:
        return wrong(
            "spf",
            f"{texts[0]}: {found['error']}",
            "Mend the record: receivers take it as if it said nothing, or refuse.",
        )
    record = Record(domain, texts[0], found["parsed"])
    sender, said = mail.own_mailbox("").email, f"{texts[0]} ({found['dns_lookups']} of 10 look-ups)"
    of_others = Mail(STRANGER, sender, resolver).verdict(record)
    if of_others == "pass":
        return wrong("spf", f"{said}: everybody may send for {domain}", publish)
    if of_others == "neutral":
        return note("spf", f"{said}: says nothing of other senders", "End it with -all.")
    for address in relay:
        if (answer := Mail(address, sender, resolver).verdict(record)) != "pass":
            return note(
                "spf",
                f"{said}: {answer} for {address}, which mail is handed to",
                "Include its record, unless it hands mail on from another address.",
            )
    if found["warnings"]:
        return note("spf", f"{said}: {found['warnings'][0]}", "Mend what it says.")
    return good("spf", said)


# -- DKIM and DMARC --------------------------------------------------------------------------------


def _dkim(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    selector = settings().dkim_selector
    if not selector:
        return note(
            "dkim",
            "no selector is set",
            "Let the mail server sign, and set WINBACK_DKIM_SELECTOR to its selector.",
        )
    name = f"{selector}._domainkey.{domain}"
    texts = [text for text in records(resolver, name, "TXT") if "p=" in text]
    if len(texts) != 1:
        return wrong("dkim", f"{len(texts)} keys at {name}" if texts else f"no key at {name}", SIGN)
    tags = {
        key.strip(): value.strip()
        for key, _, value in (part.partition("=") for part in texts[0].split(";"))
    }
    key = "".join(tags["p"].split())
    if not key:
        return wrong("dkim", f"the key was revoked at {name}", SIGN)
    kind, bits = _key(tags.get("k", "rsa"), key)
    if bits < LEAST_RSA_BITS and kind == "rsa":
        return wrong(
            "dkim", f"{bits} bits at {name}" if bits else f"no rsa key can be read at {name}", SIGN
        )
    if not bits:
        return wrong("dkim", f"no {kind} key can be read at {name}", SIGN)
    if "y" in tags.get("t", "").split(":"):
        return note(
            "dkim", f"a {kind} key at {name}, on trial: t=y", "Take t=y away once signatures pass."
        )
    if bits < GOOD_RSA_BITS and kind == "rsa":
        return note(
            "dkim", f"a key of {bits} bits at {name}", "Let the mail server sign with 2,048 bits."
        )
    return good("dkim", f"a {kind} key of {bits} bits at {name}")


def _key(kind: str, encoded: str) -> tuple[str, int]:
    """(kind, bits); no bits where it cannot be read (RFC 6376, 3.6.1; RFC 8463, 4)."""
    try:
        raw = base64.b64decode(encoded, validate=True)
        if kind == "ed25519":
            return kind, 8 * len(raw) if len(raw) == ED25519_BYTES else 0
        public = load_der_public_key(raw)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return kind, 0
    return kind, public.key_size if kind == "rsa" and isinstance(public, RSAPublicKey) else 0


def _dmarc(resolver: dns.resolver.Resolver, domain: str) -> Finding:
    """At the domain, else at one above it that it belongs to."""
    found: Any = check_dmarc(domain, resolver=resolver, timeout=ASK_SECONDS, retries=0)
    if found["record"] is None:
        publish = (
            f'Publish at _dmarc.{domain}: TXT "v=DMARC1; p=none; rua=mailto:YOU". '
            "Large receivers refuse bulk mail without it."
        )
        return wrong("dmarc", f"no record at _dmarc.{domain}: {found['error']}", publish)
    said = f"{found['record']} at _dmarc.{found['location'] or domain}"
    if not found["valid"]:
        return wrong(
            "dmarc", f"{said}: {found['error']}", "Mend the record: receivers pass it by as it is."
        )
    if found["tags"]["p"]["value"] == "none":
        return note(
            "dmarc",
            f"{said}: only reports",
            "Once the reports are clean: p=quarantine, then p=reject.",
        )
    if found["warnings"]:
        return note("dmarc", f"{said}: {found['warnings'][0]}", "Mend what it says.")
    return good("dmarc", said)


# -- names -----------------------------------------------------------------------------------------


def name_server() -> dns.resolver.Resolver:
    """That of WINBACK_RESOLVER (host or host:port), else this machine's."""
    configured = settings().resolver
    resolver = dns.resolver.Resolver(configure=not configured)
    if configured:
        host, _, port = (
            configured.rpartition(":") if configured.count(":") == 1 else (configured, "", "")
        )
        resolver.nameservers = [str(addresses(host)[0])]
        resolver.port = int(port or DNS_PORT)
    resolver.lifetime = ASK_SECONDS
    return resolver


def addresses(host: str) -> list[Address]:
    """Of a host, as this machine knows it. Raises OSError."""
    return [
        ip_address(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    ]


def relay_addresses(relay: str | None) -> list[Address]:
    """None where nothing is known of it; that it is not there is said elsewhere."""
    with suppress(OSError):
        return addresses(relay) if relay else []
    return []
