"""Ids that derive from what they identify, so that a redelivery is an upsert (UUIDv5, RFC 9562)."""

import uuid

# fixed for ever: every id in every installation hangs on it
NAMESPACE = uuid.UUID("5d3f7f3e-7d3c-5f0e-9a54-6b1f3f1a9b10")
SEPARATOR = "\x1f"  # cannot occur in an id: ingest refuses control characters


def derived(kind: str, *parts: str) -> str:
    """The id of the `kind` of thing that `parts` identify, as text; the organization is
    always the first part.
    """
    return str(uuid.uuid5(NAMESPACE, SEPARATOR.join((kind, *parts))))


def signal_id(
    organization: str, account: str, type_: str, od: str | None, grade: str | None
) -> str:
    """A signal is one type on one account, or on one combo of it; the account id is the ERP's."""
    return derived("signal", organization, account, type_, od or "", grade or "")


def record_key(organization: str, id_: str) -> bytes:
    """The key of a record in `accounts` and `contacts`: what compaction keeps the newest of, and
    what a tombstone names.
    """
    return SEPARATOR.join((organization, id_)).encode()


def read_record_key(key: bytes | None) -> tuple[str, str]:
    """(organization, id) of a record's key. Raises ValueError."""
    organization, id_ = (key or b"").decode().split(SEPARATOR)
    return organization, id_
