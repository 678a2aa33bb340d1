"""Which account, and which of its pages, holds an order: pages of neighbouring order ids.

Order ids mostly count up, so the ids that differ in their last two bytes share a page, and a block
touches few pages. A page that grew past 16 KB is split by the last byte but one; 256 entries at
most then share one.
"""

import msgspec

from services.detector.pages import (
    SPLIT_INDEX_BYTES,
    Store,
    index_key,
    packed,
    split_index_key,
    unpacked,
)

Place = tuple[str, int]  # account, page
IndexPage = dict[bytes, Place]

_page = msgspec.msgpack.Decoder(IndexPage | None)


class Index:
    """The index of one partition; pages are cached, and written by `saved`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pages: dict[bytes, IndexPage | None] = {}  # None: was split
        self._unsaved: set[bytes] = set()
        # what was looked for last
        self._found: tuple[str, str, tuple[bytes, bytes, IndexPage]] = ("", "", (b"", b"", {}))

    def find(self, organization: str, order: str) -> Place | None:
        """Where the order is, None for one never seen."""
        _, suffix, page = self._page_of(organization, order)
        return page.get(suffix)

    def set(self, organization: str, order: str, place: Place) -> None:
        """The order is there from now on."""
        key, suffix, page = self._page_of(organization, order)
        page[suffix] = place
        self._unsaved.add(key)

    def saved(self, keep: int) -> list[tuple[bytes, bytes]]:
        """The keys and values that changed since the last call; afterwards at most `keep` pages
        stay in memory.
        """
        rows: list[tuple[bytes, bytes]] = []
        for key in self._unsaved:
            value = packed(self._pages[key])
            if len(value) > SPLIT_INDEX_BYTES and key[:1] == b"i":
                rows += self._split(key)
            else:
                rows.append((key, value))
        self._unsaved.clear()
        self._found = ("", "", (b"", b"", {}))  # pages are split and let go here
        for key in list(self._pages)[: max(0, len(self._pages) - keep)]:
            del self._pages[key]
        return rows

    def _page_of(self, organization: str, order: str) -> tuple[bytes, bytes, IndexPage]:
        # an order is looked for, then set
        if self._found[0] == order and self._found[1] == organization:
            return self._found[2]
        id_ = order.encode()
        key = index_key(organization, id_)
        page = self._load(key)
        found = (
            (key, id_[-2:], page) if page is not None else self._split_page_of(organization, id_)
        )
        self._found = (order, organization, found)
        return found

    def _split_page_of(self, organization: str, id_: bytes) -> tuple[bytes, bytes, IndexPage]:
        key = split_index_key(organization, id_)
        page = self._load(key)
        assert page is not None
        return key, id_[-1:], page

    def _load(self, key: bytes) -> IndexPage | None:
        try:
            return self._pages[key]
        except KeyError:
            data = self._store.get(key)
            page: IndexPage | None = {} if data is None else unpacked(data, _page)
            self._pages[key] = page
            return page

    def _split(self, key: bytes) -> list[tuple[bytes, bytes]]:
        page = self._pages[key]
        assert page is not None
        parts: dict[bytes, IndexPage] = {}
        for suffix, place in page.items():
            parts.setdefault(b"j" + key[1:] + suffix[:-1], {})[suffix[-1:]] = place
        self._pages[key] = None
        self._pages.update(parts)
        return [(key, packed(None)), *((part, packed(entries)) for part, entries in parts.items())]
