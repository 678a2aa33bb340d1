"""From facts to a mail: compose, put into words, render; with less room for names where
it would be too large.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.digest.digest_view import digest_view
from services.digest.facts import Facts, Purchase
from services.digest.frame import Occasion, Room
from services.digest.heartbeat_view import heartbeat_view, no_run_view
from services.digest.render import Rendered, render
from shared.domain.digest import Digest, compose

# of both parts as they travel; with headers a mail stays under 90 KB, which no reader cuts
LARGEST_BYTES = 87_000
ROOMS = (
    Room(name=80, detail=160, combo=60, link=640, acts=True),
    Room(name=80, detail=160, combo=60, link=640),
    Room(name=48, detail=80, combo=40, link=640),
    Room(name=32, detail=48, combo=24, link=160),
    Room(name=20, detail=24, combo=16, link=0),
    Room(name=12, detail=16, combo=12, link=0, ascii=True),
)

Purchases = Callable[[Sequence[str]], Mapping[str, Purchase]]


@dataclass(frozen=True, kw_only=True)
class Edition:
    """A digest and its mail. digest None: there was no complete run."""

    digest: Digest | None
    rendered: Rendered


def edit(facts: Facts, occasion: Occasion, *, why: str, purchases: Purchases) -> Edition:
    """`why` says why there is no complete run, where there is none; `purchases` finds
    what accounts last bought.
    """
    if facts.run is None:
        return Edition(digest=None, rendered=render("heartbeat", no_run_view(facts, why, occasion)))
    digest = compose(
        as_of=facts.run.as_of,
        at=occasion.at,
        signals=facts.signals,
        accounts=facts.accounts,
        previous=facts.previous,
    )
    if occasion.own:  # the digest before was of all accounts
        digest = replace(digest, change_cents=None)
    bought = purchases(_mentioned(digest))
    for room in ROOMS:
        if digest.heartbeat:
            rendered = render("heartbeat", heartbeat_view(facts, digest, bought, occasion, room))
        else:
            rendered = render("digest", digest_view(facts, digest, bought, occasion, room))
        if rendered.size <= LARGEST_BYTES:
            break
    return Edition(digest=digest, rendered=rendered)


def _mentioned(digest: Digest) -> list[str]:
    """The accounts of whose last purchase something is said."""
    rows = [
        row.account.account
        for section in digest.sections
        if section.type != "lapse"
        for row in section.rows
    ]
    return sorted({*rows, *(account.account for account in digest.always)})
