"""Every order that a partition's state holds, read from its store alone: what an audit of the
state, or a fault run, looks at.

Each order must lie in exactly one page of one account, and the index must lead there;
what does not is said.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from services.detector.accounts import Entry, heads
from services.detector.index import Index
from services.detector.organization import Organization, Texts, organizations
from services.detector.pages import Store, head_key, orders_key, unpacked

_orders = msgspec.msgpack.Decoder(dict[str, Entry])


@dataclass(frozen=True, kw_only=True)
class Held:
    """One order as the state has it. `indexed`: the index leads to this very page. `combos`: (raw
    OD, raw grade) -> net cents.
    """

    organization: str
    order: str
    account: str
    revision: int
    content: bytes
    counts_on: int
    combos: dict[Texts, int]
    indexed: bool


def held(store: Store) -> Iterator[Held]:
    """All orders of all organizations in a partition's store."""
    index = Index(store)
    for organization in organizations(store).values():
        prefix = head_key(organization.id, "")
        for key, head in heads(store, prefix):
            account = key[len(prefix) :].decode()
            pages = [
                *(
                    _sealed(store, organization.id, account, page)
                    for page in range(head.sealed_pages)
                ),
                head.open_page,
            ]
            for page, entries in enumerate(pages):
                for order, entry in entries.items():
                    yield _held(
                        organization,
                        account,
                        order,
                        entry,
                        indexed=index.find(organization.id, order) == (account, page),
                    )


def _sealed(store: Store, organization: str, account: str, page: int) -> dict[str, Entry]:
    data = store.get(orders_key(organization, account, page))
    return {} if data is None else unpacked(data, _orders)


def _held(
    organization: Organization, account: str, order: str, entry: Entry, *, indexed: bool
) -> Held:
    combos = {
        organization.texts[ref]: cents
        for ref, cents in zip(entry.values[::3], entry.values[2::3], strict=True)
    }
    return Held(
        organization=organization.id,
        order=order,
        account=account,
        revision=entry.revision,
        content=bytes(entry.content),
        counts_on=entry.counts_on,
        combos=combos,
        indexed=indexed,
    )
