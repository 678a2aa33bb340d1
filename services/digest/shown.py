"""A digest as JSON: for `winback digest preview --json` (interfaces.md), and kept with the digest
for the next to compare.
"""

from datetime import date
from typing import Any

import msgspec

from shared.domain.digest import Digest, Item, Row, Section, Shown


def digest_json(digest: Digest) -> dict[str, Any]:
    """As interfaces.md has it."""
    return {
        "as_of": digest.as_of.isoformat(),
        "heartbeat": digest.heartbeat,
        "recoverable_revenue_cents": digest.recoverable_revenue_cents,
        "change_cents": digest.change_cents,
        "accounts": digest.accounts,
        "new": digest.new,
        "sections": [_section(section) for section in digest.sections],
        "always": [account.account for account in digest.always],
        "always_more": digest.always_more,
    }


def no_digest_json(why: str) -> dict[str, Any]:
    """Without a complete run."""
    return {
        "as_of": None,
        "heartbeat": True,
        "why": why,
        "recoverable_revenue_cents": 0,
        "sections": [],
    }


def kept_json(digest: Digest) -> dict[str, Any]:
    """The same, with what the next digest needs."""
    return digest_json(digest) | {"memory": msgspec.to_builtins(digest.shown)}


def shown_of(kept: dict[str, Any]) -> Shown:
    """What a digest left for this one."""
    memory = kept["memory"]
    return Shown(**(memory | {"as_of": date.fromisoformat(memory["as_of"])}))


def _section(section: Section) -> dict[str, Any]:
    return {
        "type": section.type,
        "total": section.total,
        "new": section.new,
        "counted_cents": section.counted_cents,
        "rows": [_row(row) for row in section.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "account": row.account.account,
        "lifetime_revenue_cents": row.lifetime_revenue_cents,
        "at_stake_cents": row.at_stake_cents,
        "signals": [_item(item) for item in row.items],
        "more": row.more,
    }


def _item(item: Item) -> dict[str, Any]:
    signal = item.signal
    figures = msgspec.to_builtins(signal.figures)
    figures.pop("of", None)
    combo = {} if signal.combo is None else {"combo": msgspec.to_builtins(signal.combo)}
    return {
        "signal": signal.signal,
        "type": signal.type,
        **combo,
        "state": item.state,
        "at_stake_cents": signal.at_stake_cents,
        "figures": figures,
    }
