"""An account in memory and in the table: a head, sealed pages of orders, episodes of its signals.

What is stored is entries: one an order, with its version, its day and its value per raw combo. The
rolling cells are their sum, made when the account is read and kept current as entries are set and
removed; they are never stored, so they cannot disagree.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from services.detector.pages import (
    EPISODES_PER_PAGE,
    SEALED_BYTES,
    SEALED_ORDERS,
    Store,
    episodes_key,
    head_key,
    orders_key,
    packed,
    unpacked,
)
from shared.domain.detection import SignalKey
from shared.domain.history import Cells, Combo, Day, add, pack

DUE_NOW: Day = 0  # something changed since the latest run


class Entry(NamedTuple):
    """One order as the state keeps it. `values` are (raw combo, positive, net revenue in cents),
    flat; none when cancelled.
    """

    revision: int
    content: bytes
    counts_on: Day
    values: tuple[int, ...]


class Episode(NamedTuple):
    """The current or last episode of a signal."""

    number: int
    opened_on: Day
    is_open: bool


class HeadRecord(msgspec.Struct, array_like=True, gc=False):
    """A head as stored."""

    due_on: int
    specialty_cents: int
    spend_cents: int
    has_open_signals: bool
    sealed_pages: int
    open_page: dict[str, Entry]
    episodes: int
    last_episodes: list[tuple[str, str | None, str | None, Episode]]


_head = msgspec.msgpack.Decoder(HeadRecord)
_orders = msgspec.msgpack.Decoder(dict[str, Entry])
_episodes = msgspec.msgpack.Decoder(list[tuple[str, str | None, str | None, Episode]])


def heads(store: Store, organization_prefix: bytes) -> Iterator[tuple[bytes, HeadRecord]]:
    """All heads below a key prefix: what the index of due days is rebuilt from."""
    for key, value in store.scan(organization_prefix):
        yield key, unpacked(value, _head)


class Account:
    """One account, decoded. Its due day and its share are kept by the organization; `saved` returns
    what must be written.
    """

    __slots__ = (
        "cells", "episodes", "id", "open_bytes", "open_page", "organization", "sealed",
        "sealed_pages", "slots", "store", "unsaved_episodes", "unsaved_pages",
    )  # fmt: skip

    def __init__(self, store: Store, organization: str, account: str) -> None:
        self.store, self.organization, self.id = store, organization, account
        self.cells: Cells = {}
        self.open_page: dict[str, Entry] = {}
        self.open_bytes = 0
        self.sealed_pages = 0
        self.sealed: dict[
            int, dict[str, Entry]
        ] = {}  # sealed pages that were read to correct an order
        self.episodes: dict[SignalKey, Episode] = {}
        self.slots: dict[
            SignalKey, int
        ] = {}  # by first detection: slot // EPISODES_PER_PAGE is the page
        self.unsaved_pages: set[int] = set()
        self.unsaved_episodes: set[int] = set()
        data = store.get(head_key(organization, account))
        if data is not None:
            self._read(unpacked(data, _head))

    def _read(self, head: HeadRecord) -> None:
        self.sealed_pages, self.open_page = head.sealed_pages, head.open_page
        for number in range(self.sealed_pages):
            for entry in self._stored_page(number).values():
                self._count(entry, 1)
        for order, entry in self.open_page.items():
            self._count(entry, 1)
            self.open_bytes += size_of(order, entry)
        for number in range(head.episodes // EPISODES_PER_PAGE):
            data = self.store.get(episodes_key(self.organization, self.id, number))
            assert data is not None
            self._read_episodes(unpacked(data, _episodes))
        self._read_episodes(head.last_episodes)

    def _read_episodes(self, rows: list[tuple[str, str | None, str | None, Episode]]) -> None:
        for type_, od, grade, episode in rows:
            key = SignalKey(type_, Combo(od, grade) if type_ == "lapse" else None)  # type: ignore[arg-type]  # written by `saved`
            self.slots[key] = len(self.slots)
            self.episodes[key] = episode

    # -- orders ------------------------------------------------------------------------------------

    def entry(self, order: str, page: int) -> Entry:
        """The entry of an order, from the page that the index names."""
        return self._page(page)[order]

    def put(self, order: str, entry: Entry) -> int:
        """Set a new order's entry. Returns its page, for the index."""
        size = size_of(order, entry)
        if self.open_page and (
            len(self.open_page) >= SEALED_ORDERS or self.open_bytes + size > SEALED_BYTES
        ):
            self._seal()
        self.open_page[order] = entry
        self.open_bytes += size
        self._count(entry, 1)
        return self.sealed_pages

    def replace(self, order: str, page: int, entry: Entry) -> int:
        """Set the entry of an order that is there. Returns its page: another one where it outgrew
        the one it was in.
        """
        old = self.entry(order, page)
        if size_of(order, entry) > size_of(order, old):
            self.remove(order, page)
            return self.put(order, entry)
        self._count(old, -1)
        self._page(page)[order] = entry
        self._count(entry, 1)
        self._touched(page)
        return page

    def remove(self, order: str, page: int) -> None:
        """The order moved to another account, or to another page."""
        old = self._page(page).pop(order)
        self._count(old, -1)
        if page == self.sealed_pages:
            self.open_bytes -= size_of(order, old)
        self._touched(page)

    def _count(self, entry: Entry, sign: int) -> None:
        cells, day, values = self.cells, entry.counts_on, entry.values
        flat = iter(values)
        for ref, positive, cents in zip(flat, flat, flat, strict=True):
            add(cells, ref, day, sign * pack(cents, positive=positive))

    def _page(self, page: int) -> dict[str, Entry]:
        if page == self.sealed_pages:
            return self.open_page
        if page not in self.sealed:
            self.sealed[page] = self._stored_page(page)
        return self.sealed[page]

    def _stored_page(self, page: int) -> dict[str, Entry]:
        data = self.store.get(orders_key(self.organization, self.id, page))
        assert data is not None, f"page {page} of {self.id} is missing"
        return unpacked(data, _orders)

    def _touched(self, page: int) -> None:
        if page != self.sealed_pages:
            self.unsaved_pages.add(page)

    def _seal(self) -> None:
        self.sealed[self.sealed_pages] = self.open_page
        self.unsaved_pages.add(self.sealed_pages)
        self.sealed_pages += 1
        self.open_page, self.open_bytes = {}, 0

    # -- signals -----------------------------------------------------------------------------------

    def open_signals(self) -> dict[SignalKey, Episode]:
        """The active ones."""
        return {key: episode for key, episode in self.episodes.items() if episode.is_open}

    def set_episode(self, key: SignalKey, episode: Episode) -> None:
        """Open, reopen or close a signal."""
        slot = self.slots.setdefault(key, len(self.slots))
        self.episodes[key] = episode
        self.unsaved_episodes.add(slot // EPISODES_PER_PAGE)

    # -- saving ------------------------------------------------------------------------------------

    def saved(self, *, due_on: Day, share: tuple[int, int]) -> list[tuple[bytes, bytes]]:
        """The keys and values that changed since the last call; sealed pages are let go after."""
        rows = [
            (orders_key(self.organization, self.id, page), packed(self.sealed[page]))
            for page in sorted(self.unsaved_pages)
        ]
        full_pages = len(self.slots) // EPISODES_PER_PAGE
        rows += [
            (episodes_key(self.organization, self.id, page), packed(self._episode_rows(page)))
            for page in sorted(self.unsaved_episodes)
            if page < full_pages
        ]
        head = HeadRecord(
            due_on=due_on,
            specialty_cents=share[0],
            spend_cents=share[1],
            has_open_signals=any(episode.is_open for episode in self.episodes.values()),
            sealed_pages=self.sealed_pages,
            open_page=self.open_page,
            episodes=len(self.slots),
            last_episodes=self._episode_rows(full_pages),
        )
        rows.append((head_key(self.organization, self.id), packed(head)))
        self.sealed.clear()
        self.unsaved_pages.clear()
        self.unsaved_episodes.clear()
        return rows

    def _episode_rows(self, page: int) -> list[tuple[str, str | None, str | None, Episode]]:
        keys = list(self.slots)[page * EPISODES_PER_PAGE : (page + 1) * EPISODES_PER_PAGE]
        return [
            (
                key.type,
                key.combo and key.combo.od,
                key.combo and key.combo.grade,
                self.episodes[key],
            )
            for key in keys
        ]


def size_of(order: str, entry: Entry) -> int:
    """Roughly the stored bytes of an entry: what decides when a page is full."""
    return 40 + len(order) + 4 * len(entry.values)
