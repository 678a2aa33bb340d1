"""What is kept of a record that is too large to be put aside whole: pure.

A dead letter holds the record's own key, value and headers. Where no topic takes all of that, less
and less is kept, until it is taken: `smaller` says in which steps. What was cut can be had from
where the record came from, and known again by its hash.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Headers = Sequence[tuple[str, bytes]]

KEPT_BYTES = (500_000, 16_000, 0)  # of a record, from step to step
REASON_CHARACTERS = 2_000
LEAST_REASON_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Of one record, what is kept. `cut` names what is not whole: value, key, headers."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    cut: tuple[str, ...] = ()
    reason_characters: int = REASON_CHARACTERS


def smaller(whole: Parts) -> Iterator[Parts]:
    """All of it, then less and less; the last has nothing of its own left."""
    yield whole
    for most_bytes in KEPT_BYTES:
        parts = _cut(whole, most_bytes)
        if parts.cut or most_bytes == 0:
            yield parts


def value_sha256(value: bytes | None) -> str:
    """Of the value alone, as `sha256sum` says it; a tombstone has none."""
    return "" if value is None else hashlib.sha256(value).hexdigest()


def record_sha256(key: bytes | None, value: bytes | None, headers: Headers) -> str:
    """Of key, value and headers together: each part with its length before it, so
    that no two records look alike.
    """
    digest = hashlib.sha256()
    for part in (
        key,
        value,
        *(text for name, value_ in headers for text in (name.encode(), value_)),
    ):
        digest.update(b"-" if part is None else b"%d:" % len(part))
        digest.update(part or b"")
    return digest.hexdigest()


def _cut(whole: Parts, most_bytes: int) -> Parts:
    """A quarter of the bytes is for the key, a quarter for headers (the first that fit, each
    whole), the rest for the value.
    """
    key = None if whole.key is None else whole.key[: most_bytes // 4]
    headers: list[tuple[str, bytes]] = []
    left = most_bytes // 4
    for name, value in whole.headers:
        left -= len(name.encode()) + len(value)
        if left < 0:
            break
        headers.append((name, value))
    value_ = None if whole.value is None else whole.value[: most_bytes // 2]
    kept = (
        ("value", value_, whole.value),
        ("key", key, whole.key),
        ("headers", headers, list(whole.headers)),
    )
    return Parts(
        key=key,
        value=value_,
        headers=headers,
        cut=tuple(name for name, part, all_of_it in kept if part != all_of_it),
        reason_characters=REASON_CHARACTERS if most_bytes else LEAST_REASON_CHARACTERS,
    )
