"""What an SPF record says of mail from one address (RFC 7208, 4.6).

checkdmarc reads the record: its syntax, look-ups, includes and redirects. What depends on the mail
is worked out here: which mechanism matches, `exists` and `ptr`, and what a macro stands for. The
name that the relay greets with is not known: `%{h}` is taken for the sender's domain.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

import dns.exception
import dns.resolver
import dns.reversename
from checkdmarc.spf import check_spf

ASK_SECONDS = 5.0
MOST_LEVELS = 10  # of includes whose names are macros; checkdmarc bounds the others
MOST_NAMES = 10  # of one address (RFC 7208, 5.5)
LONGEST_NAME = 253

Address = IPv4Address | IPv6Address

_MACRO = re.compile(r"%(?:\{([a-z])(\d*)(r?)([.\-+,/_=]*)\}|[%_-])", re.IGNORECASE)
_REDIRECT = re.compile(r"(?:^|\s)redirect=(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Record:
    """Of a domain: its text, and what checkdmarc makes of it (None: there is none,
    or it cannot be right).
    """

    domain: str
    text: str
    parsed: Any


@dataclass(frozen=True)
class Mail:
    """Mail from `address`, in the name of `sender`."""

    address: Address
    sender: str
    resolver: dns.resolver.Resolver

    def verdict(self, record: Record, levels: int = MOST_LEVELS) -> str:
        """pass, fail, softfail, neutral, or permerror where it leads to no
        record. Raises DNSException.
        """
        if record.parsed is None or levels == 0:
            return "permerror"
        for mechanism in record.parsed["mechanisms"]:
            if self._matches(mechanism, record.domain, levels):
                return str(mechanism["action"])
        redirect = record.parsed["redirect"]
        if redirect is None:
            return str(record.parsed["all"])
        to = _REDIRECT.search(record.text)
        assert to is not None
        return self.verdict(self._other(to[1], record.domain, redirect), levels - 1)

    def _matches(self, mechanism: Any, domain: str, levels: int) -> bool:
        kind, value = mechanism["mechanism"], str(mechanism["value"])
        name = expanded(value.split("/")[0], self, domain) or domain
        match kind:
            case "include":
                return self.verdict(self._other(value, domain, mechanism), levels - 1) == "pass"
            case "ip4" | "ip6":
                networks = [value]
            case "a":
                networks = (
                    mechanism["addresses"]
                    if "%" not in value
                    else addresses_of(self.resolver, name)
                )
            case "mx":
                named = "%" not in value
                hosts = (
                    [host["hostname"] for host in mechanism["hosts"]]
                    if named
                    else mail_hosts(self.resolver, name)
                )
                networks = [found for host in hosts for found in addresses_of(self.resolver, host)]
            case "exists":
                # of either kind of address (RFC 7208, 5.7)
                return bool(records(self.resolver, name, "A"))
            case "ptr":
                return self._is_called(name)
            case _:
                return False
        return any(self.address in ip_network(network, strict=False) for network in networks)

    def _other(self, value: str, domain: str, read: Any) -> Record:
        """The record that an include or redirect leads to; one that is named by a
        macro has not been read.
        """
        name = expanded(value, self, domain)
        if "%" not in value:
            return Record(name, str(read["record"]), read["parsed"])
        found: Any = check_spf(name, resolver=self.resolver, timeout=ASK_SECONDS, retries=0)
        return Record(name, str(found["record"]), found["parsed"] if found["valid"] else None)

    def _is_called(self, name: str) -> bool:
        """One of the names of the address is this or below it, and leads back
        to it (RFC 7208, 5.5).
        """
        names = records(
            self.resolver, dns.reversename.from_address(str(self.address)).to_text(), "PTR"
        )[:MOST_NAMES]
        own = [one for one in names if f".{one.lower().rstrip('.')}".endswith(f".{name.lower()}")]
        return any(str(self.address) in addresses_of(self.resolver, one) for one in own)


def expanded(text: str, mail: Mail, domain: str) -> str:
    """The name that a text with macros stands for (RFC 7208, 7.3), at most as long as a name can
    be: labels go at its left.
    """
    local, _, of = mail.sender.rpartition("@")
    is_old = mail.address.version == 4
    stands_for = {
        "s": mail.sender,
        "l": local or "postmaster",
        "o": of,
        "d": domain,
        "i": str(mail.address) if is_old else ".".join(mail.address.exploded.replace(":", "")),
        "p": "unknown",
        "v": "in-addr" if is_old else "ip6",
        "h": of,
    }

    def one(found: re.Match[str]) -> str:
        letter, count, is_reversed, delimiters = found.groups()
        if letter is None:
            return {"%%": "%", "%_": " ", "%-": "%20"}[found[0]]
        parts = re.split(f"[{re.escape(delimiters or '.')}]", stands_for.get(letter.lower(), ""))
        if is_reversed:
            parts.reverse()
        return ".".join(parts[-int(count) :] if count else parts)

    name = _MACRO.sub(one, text)
    while len(name) > LONGEST_NAME and "." in name:
        name = name.partition(".")[2]
    return name


def addresses_of(resolver: dns.resolver.Resolver, name: str) -> list[str]:
    """Of either kind."""
    return [found for kind in ("A", "AAAA") for found in records(resolver, name, kind)]


def mail_hosts(resolver: dns.resolver.Resolver, name: str) -> list[str]:
    """That take mail for a name."""
    return [found.split()[1] for found in records(resolver, name, "MX")]


def records(resolver: dns.resolver.Resolver, name: str, kind: str) -> list[str]:
    """The records of a name, a TXT in one piece; none where there is no such
    name. Raises DNSException.
    """
    try:
        answer = resolver.resolve(name, kind)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    if kind == "TXT":
        return [b"".join(record.strings).decode(errors="replace") for record in answer]
    return [record.to_text() for record in answer]
