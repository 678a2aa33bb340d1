"""`winback doctor` asks a real name server what receivers would ask, and says what they would."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Any, Protocol

import pytest
from checkdmarc.utils import DNS_CACHE
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dnslib import RCODE, DNSRecord
from dnslib.server import DNSLogger, DNSServer
from dnslib.zoneresolver import ZoneResolver

from tests.operations.configured import Configure
from winback.doctor import domain
from winback.doctor.findings import Finding

ED25519 = base64.b64encode(bytes(32)).decode()


@cache
def rsa_key(bits: int) -> str:
    """A public key as it is published: the whole of it is longer than one string of a TXT."""
    public = rsa.generate_private_key(65_537, bits).public_key()
    return base64.b64encode(
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()


@cache
def elliptic_key() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return base64.b64encode(
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()


def txt(name: str, text: str) -> str:
    """A TXT in strings of 200 characters."""
    parts = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
    return f"{name}. 60 IN TXT {parts}\n"


class Zone(ZoneResolver):  # type: ignore[misc]  # dnslib has no types
    """A name that has other records is there, with none of the kind that was asked for."""

    def resolve(self, request: DNSRecord, handler: Any) -> DNSRecord:
        reply = super().resolve(request, handler)
        if reply.header.rcode == RCODE.NXDOMAIN and any(
            name == request.q.qname for name, _, _ in self.zone
        ):
            reply.header.rcode = RCODE.NOERROR
        return reply


@dataclass(frozen=True)
class NameServer:
    """A running one: what it knows is another zone for each test."""

    port: int
    server: Any

    def knows(self, zone: str) -> None:
        self.server.resolver = Zone(zone)
        DNS_CACHE.clear()


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    running = DNSServer(
        Zone(""), port=0, address="127.0.0.1", logger=DNSLogger("-request,-reply,-truncated")
    )
    running.start_thread()
    yield NameServer(running.server.server_address[1], running.server)
    running.server.shutdown()
    running.server.server_close()


class LookedAt(Protocol):
    """looked_at(spf="v=spf1 +all")["spf"]: what is said of a domain that is well
    but for what is named.
    """

    def __call__(self, **but: Any) -> dict[str, Finding]: ...


@pytest.fixture
def looked_at(configure: Configure, names: NameServer) -> LookedAt:
    def look(**but: Any) -> dict[str, Finding]:
        sender = but.get("sender", "acme.test")
        names.knows(zone(**but))
        configure(
            mail_from=f"hello@{sender}", dkim_selector="key", resolver=f"127.0.0.1:{names.port}"
        )
        return {finding.name: finding for finding in domain.look(sender, but.get("relay"))}

    return look


def zone(
    *,
    spf: str = "v=spf1 include:mail.test -all",
    key: str | None = None,
    dmarc: str = "v=DMARC1; p=reject; rua=mailto:dmarc@acme.test",
    more: str = "",
    without: Sequence[str] = (),
    sender: str = "acme.test",
    policy: str = "acme.test",
    relay: str | None = None,  # of `look`
) -> str:
    """Of a sender's domain and those that it names. without: lines that hold one of
    these texts are not there.
    """
    lines = [
        *(txt(sender, one) for one in spf.split("|")),
        f"{sender}. 60 IN MX 10 mx.acme.test.\n",
        f"{sender}. 60 IN A 192.0.2.10\n",
        "acme.test. 60 IN A 192.0.2.10\nacme.test. 60 IN MX 10 mx.acme.test.\n"
        if sender != "acme.test"
        else "",
        "mx.acme.test. 60 IN A 192.0.2.25\n",
        txt("mail.test", "v=spf1 ip4:198.51.100.0/24 ip6:2001:db8:25::/48 -all"),
        txt(
            f"key._domainkey.{sender}", f"v=DKIM1; k=rsa; p={rsa_key(2048)}" if key is None else key
        ),
        txt(f"_dmarc.{policy}", dmarc),
        more,
    ]
    return "".join(line for line in lines if not any(text in line for text in without))


def expect(found: Finding, state: str, *words: str) -> None:
    assert (found.state, [word for word in words if word not in found.said]) == (state, []), found
    assert bool(found.do) == (state != "good")


def test_a_domain_that_names_its_senders_is_well(looked_at: LookedAt) -> None:
    found = looked_at()
    assert {name: one.state for name, one in found.items()} == dict.fromkeys(
        ("spf", "dkim", "dmarc", "sender's mailbox"), "good"
    )
    expect(found["spf"], "good", "1 of 10 look-ups")
    expect(found["dkim"], "good", "2048 bits")
    expect(found["dmarc"], "good", "p=reject", "_dmarc.acme.test")


@pytest.mark.parametrize(
    ("spf", "state", "words"),
    [
        ("something else", "wrong", "no record"),
        ("v=spf1 -all|v=spf1 ~all", "wrong", "2 records"),
        ("v=spf1 +all", "wrong", "everybody may send"),
        ("v=spf1 ip4:0.0.0.0/0 -all", "wrong", "everybody may send"),
        ("v=spf1 include:open.test -all", "wrong", "everybody may send"),
        ("v=spf1 redirect=open.test", "wrong", "everybody may send"),
        ("v=spf1 include:mail.test", "note", "says nothing"),
        ("v=spf1 redirect=mail.test", "good", "1 of 10"),
        ("v=spf1 a mx a:mx.acme.test/28 ip6:2001:db8::/32 ~all", "good", "3 of 10"),
        ("v=spf1 include:nowhere.test -all", "wrong", "nowhere.test"),
        ("v=spf1 include:acme.test -all", "wrong", "loop"),
        ("v=spf1 ip4:300.1.1.1 -all", "wrong", "300.1.1.1"),
        ("v=spf1 a:one.none.test a:two.none.test a:three.none.test -all", "wrong", "void"),
        ("v=spf1 include:five.test include:six.test -all", "wrong", "10 maximum"),
        ("v=spf1 include:five.test include:mail.test -all", "good", "7 of 10"),
        ("v=spf1 exists:mx.acme.test -all", "wrong", "everybody may send"),
        ("v=spf1 include:%{i}.open.test -all", "wrong", "everybody may send"),
    ],
)
def test_an_spf_record_is_read_as_receivers_read_it(
    looked_at: LookedAt, spf: str, state: str, words: str
) -> None:
    more = (
        txt("open.test", "v=spf1 +all")
        + txt("240.0.0.1.open.test", "v=spf1 +all")
        + txt("five.test", f"v=spf1{' a:mx.acme.test' * 5} -all")
    )
    more += txt("six.test", f"v=spf1{' mx:acme.test' * 4} redirect=mail.test")
    expect(looked_at(spf=spf, more=more)["spf"], state, words)


NIBBLES = ".".join(reversed(f"{int(ip_address('2001:db8:25::7')):032x}"))
# what depends on the mail: one relay is known by its address, two by their
# names, of which one is a lie
BY_MAIL = (
    "7.100.51.198.in-addr._spf.acme.test. 60 IN A 127.0.0.2\n"
    f"{NIBBLES}.ip6._spf.acme.test. 60 IN A 127.0.0.2\n"
    + txt("7.100.51.198.in-addr.acme.test.hosted.test", "v=spf1 ip4:198.51.100.7 -all")
    + "7.100.51.198.in-addr.arpa. 60 IN PTR out.acme.test.\n"
    "9.100.51.198.in-addr.arpa. 60 IN PTR out.acme.test.\n"
    "out.acme.test. 60 IN A 198.51.100.7\n"
)


@pytest.mark.parametrize(
    ("spf", "relay", "state"),
    [
        ("v=spf1 include:mail.test -all", "198.51.100.7", "good"),
        ("v=spf1 include:mail.test -all", "2001:db8:25::7", "good"),
        ("v=spf1 include:mail.test -all", "198.51.101.7", "note"),
        ("v=spf1 redirect=mail.test", "198.51.100.7", "good"),
        ("v=spf1 a -all", "192.0.2.10", "good"),
        ("v=spf1 a/24 -all", "192.0.2.99", "good"),
        ("v=spf1 mx -all", "192.0.2.25", "good"),
        ("v=spf1 a -all", "192.0.2.25", "note"),
        ("v=spf1 -ip4:198.51.100.7 include:mail.test -all", "198.51.100.7", "note"),
        ("v=spf1 exists:%{ir}.%{v}._spf.%{d} -all", "198.51.100.7", "good"),
        ("v=spf1 exists:%{ir}.%{v}._spf.%{d} -all", "198.51.100.8", "note"),
        ("v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all", "2001:db8:25::7", "good"),
        ("v=spf1 include:%{ir}.%{v}.%{d}.hosted.test -all", "198.51.100.7", "good"),
        ("v=spf1 include:%{ir}.%{v}.%{d}.hosted.test -all", "198.51.100.8", "note"),
        ("v=spf1 redirect=%{ir}.%{v}.%{d}.hosted.test", "198.51.100.7", "good"),
        ("v=spf1 a:mx.%{d} -all", "192.0.2.25", "good"),
        ("v=spf1 mx:%{d} -all", "192.0.2.25", "good"),
    ],
)
def test_the_relay_that_mail_is_handed_to_has_to_be_named(
    looked_at: LookedAt, spf: str, relay: str, state: str
) -> None:
    found = looked_at(spf=spf, relay=relay, more=BY_MAIL)["spf"]
    expect(found, state, *([] if state == "good" else [f"for {ip_address(relay)}"]))


@pytest.mark.parametrize(
    ("spf", "relay", "words"),
    [
        ("v=spf1 ptr -all", "198.51.100.7", "should not be used"),
        ("v=spf1 ptr:%{d} -all", "198.51.100.7", "should not be used"),
        ("v=spf1 ptr -all", "198.51.100.9", "fail for 198.51.100.9"),  # its name leads elsewhere
        # it is called otherwise
        ("v=spf1 ptr:mail.test ptr:ut.acme.test -all", "198.51.100.7", "fail for 198.51.100.7"),
    ],
)
def test_a_relay_is_known_by_a_name_that_leads_back_to_it(
    looked_at: LookedAt, spf: str, relay: str, words: str
) -> None:
    found = looked_at(
        spf=spf,
        relay=relay,
        more=BY_MAIL + "mail.test. 60 IN A 192.0.2.1\nut.acme.test. 60 IN A 192.0.2.1\n",
    )["spf"]
    expect(found, "note", words)


@pytest.mark.parametrize(
    ("key", "state", "words"),
    [
        ("v=DKIM1; p=", "wrong", "revoked"),
        ("v=DKIM1; p=MIGf", "wrong", "no rsa key can be read"),
        ("v=DKIM1; k=rsa; p=!!", "wrong", "no rsa key can be read"),
        ("v=DKIM1; k=rsa; p={elliptic}", "wrong", "no rsa key can be read"),
        ("v=DKIM1; k=ed25519; p={ed25519}", "good", "ed25519 key of 256 bits"),
        ("v=DKIM1; k=ed25519; p=MIGf", "wrong", "no ed25519 key can be read"),
        ("v=DKIM1; p={rsa1024}", "note", "1024 bits"),
        ("v=DKIM1; t=y:s; p={rsa2048}", "note", "on trial"),
        ("k=rsa; p={rsa2048}", "good", "2048 bits"),
    ],
)
def test_a_key_is_read_as_a_key(looked_at: LookedAt, key: str, state: str, words: str) -> None:
    published = key.format(
        elliptic=elliptic_key(), ed25519=ED25519, rsa1024=rsa_key(1024), rsa2048=rsa_key(2048)
    )
    expect(looked_at(key=published)["dkim"], state, words)


@pytest.mark.parametrize(
    ("dmarc", "state", "words"),
    [
        ("v=DMARC1; p=none; rua=mailto:dmarc@acme.test", "note", "only reports"),
        ("v=DMARC1; p=quarantine; rua=mailto:dmarc@acme.test", "good", "quarantine"),
        ("v=DMARC1; p=reject", "note", "rua"),
        ("v=DMARC1; p=perhaps", "wrong", "perhaps"),
    ],
)
def test_a_policy_is_read_as_receivers_read_it(
    looked_at: LookedAt, dmarc: str, state: str, words: str
) -> None:
    expect(looked_at(dmarc=dmarc)["dmarc"], state, words)


@pytest.mark.parametrize(
    ("without", "name", "words"),
    [
        (["_domainkey"], "dkim", "no key at key._domainkey.acme.test"),
        (["_dmarc"], "dmarc", "no record at _dmarc.acme.test"),
        (["MX", "192.0.2.10"], "sender's mailbox", "no MX"),
    ],
)
def test_what_a_domain_lacks_is_named(
    looked_at: LookedAt, without: Sequence[str], name: str, words: str
) -> None:
    expect(looked_at(without=without)[name], "wrong", words)


def test_a_policy_of_the_domain_above_counts(looked_at: LookedAt) -> None:
    expect(looked_at(sender="mail.acme.test")["dmarc"], "good", "_dmarc.acme.test")


def test_a_name_server_that_is_silent_is_away(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain, "ASK_SECONDS", 0.5)
    configure(resolver="127.0.0.1:1")
    assert [finding.state for finding in domain.look("acme.test", None)] == ["away"]
