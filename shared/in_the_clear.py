"""Which addresses of the settings lead over a network without TLS."""

import os
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

TLS_WAYS = {
    "kafka": "set WINBACK_KAFKA_SECURITY to SSL or SASL_SSL",
    "postgres": "add ?sslmode=verify-full",
    "smtp": "use smtp+starttls:// or smtps://",
    "http": "put a proxy with a certificate before it, and use its https address",
}


def in_the_clear(name: str, value: str, others: dict[str, Any]) -> tuple[str, set[str]]:
    """(the way, the hosts that it leads to over a network without TLS)."""
    parts = urlsplit(value)
    is_tls, hosts = False, [parts.hostname or ""]
    match name:
        case "kafka":
            way, is_tls = "kafka", others.get("kafka_security") in ("SSL", "SASL_SSL")
            hosts = [server.strip().rpartition(":")[0].strip("[]") for server in value.split(",")]
        case "database_url":
            query = dict(parse_qsl(parts.query))
            mode = query.get("sslmode") or os.environ.get("PGSSLMODE")
            way, is_tls = "postgres", mode in ("require", "verify-ca", "verify-full")
            hosts = _postgres(parts.netloc, query)
        case "smtp_url":
            way, is_tls = "smtp", parts.scheme != "smtp"
        case _:
            way, is_tls = "http", parts.scheme != "http"
    return way, set() if is_tls else {host for host in hosts if not is_here(host)}


def is_said(way: str, hosts: set[str], plaintext: str) -> bool:
    """Does WINBACK_PLAINTEXT name the way, or the way to each of these hosts?"""
    said = {entry.strip() for entry in plaintext.split(",")}
    return way in said or all(f"{way}={host}" in said for host in hosts)


def _postgres(place: str, query: dict[str, str]) -> list[str]:
    """All hosts that libpq may try: an address of its may name several, and be told by its query or
    by the environment. https://www.postgresql.org/docs/current/libpq-connect.html
    """
    servers = [server for server in place.rpartition("@")[2].split(",") if server]
    named = [
        unquote(server[1:].partition("]")[0] if server[0] == "[" else server.partition(":")[0])
        for server in servers
    ]
    said = query.get("host") or ",".join(named) or os.environ.get("PGHOST", "")
    address = query.get("hostaddr") or os.environ.get("PGHOSTADDR", "")
    return (address or said).split(",")


def is_here(host: str) -> bool:
    """This machine, by its loopback or by a socket's folder."""
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
