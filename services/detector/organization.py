"""What the detector knows of an organization as a whole, in memory; rebuilt from
the table at every start.

The due days and shares are derived: a head may hold older ones than a run made, but then its
due day lies at or before that run's day, so the next run looks at the account again. They save
work and never decide.
"""

from typing import Any

import msgspec

from services.detector.accounts import DUE_NOW, heads
from services.detector.pages import (
    COMBOS_PER_PAGE,
    Store,
    combos_key,
    head_key,
    organization_key,
    packed,
    unpacked,
)
from shared.domain.history import READING, Day, Readings
from shared.domain.thresholds import DEFAULTS, DetectionSettings

Texts = tuple[str | None, str | None]


class OrganizationRecord(msgspec.Struct, array_like=True, gc=False):
    """As stored: the latest run, and the settings and the reading of texts (`history.READING`) that
    every open signal was last seen under.
    """

    run: int
    as_of: Day
    settings_version: int
    settings: bytes
    combos: int
    reading: int = 0  # of a program that had no number for it


_record = msgspec.msgpack.Decoder(OrganizationRecord)
_texts = msgspec.msgpack.Decoder(list[Texts])
_settings = msgspec.json.Decoder(DetectionSettings)


class Organization:
    """The latest run, the raw combos by number, and per account: due day, share,
    whether a signal is open.
    """

    def __init__(self, store: Store, organization: str) -> None:
        self.id = organization
        self.run, self.as_of, self.settings_version, self.settings = 0, 0, 0, DEFAULTS
        self.reading = READING
        self.texts: list[Texts] = []
        self.refs: dict[Texts, int] = {}
        self.saved_texts = 0
        self.due: dict[str, Day] = {}
        self.shares: dict[str, tuple[int, int]] = {}
        self.open: set[str] = set()
        self.changed = False
        data = store.get(organization_key(organization))
        if data is not None:
            self._read(store, unpacked(data, _record))
        self.readings = Readings(self.settings)
        self.readings.extend(self.texts)

    def _read(self, store: Store, record: OrganizationRecord) -> None:
        self.run, self.as_of, self.settings_version = (
            record.run,
            record.as_of,
            record.settings_version,
        )
        self.settings = _settings.decode(record.settings)
        self.reading = record.reading
        for page in range(-(-record.combos // COMBOS_PER_PAGE)):
            data = store.get(combos_key(self.id, page))
            assert data is not None
            page_texts: list[Texts] = unpacked(data, _texts)
            self.texts += page_texts
        self.saved_texts = len(self.texts)
        self.refs = {texts: ref for ref, texts in enumerate(self.texts)}
        prefix = head_key(self.id, "")
        for key, head in heads(store, prefix):
            account = key[len(prefix) :].decode()
            self.due[account] = head.due_on
            if head.spend_cents:
                self.shares[account] = (head.specialty_cents, head.spend_cents)
            if head.has_open_signals:
                self.open.add(account)

    def ref(self, texts: Texts) -> int:
        """The number of a raw (od, grade), a new one where it was never seen."""
        found = self.refs.get(texts)
        if found is None:
            found = self.refs[texts] = len(self.texts)
            self.texts.append(texts)
            self.readings.extend(self.texts)
            self.changed = True
        return found

    def touched(self, account: str) -> None:
        """Something of the account changed: the next run looks at it."""
        self.due[account] = DUE_NOW

    def begin_run(
        self, number: int, as_of: Day, settings_version: int, settings: DetectionSettings
    ) -> None:
        """From here on the run's settings and this program's reading of texts are what signals are
        held against.
        """
        if settings != self.settings:
            self.readings = Readings(settings)
            self.readings.extend(self.texts)
        self.run, self.as_of, self.settings_version, self.settings = (
            number,
            as_of,
            settings_version,
            settings,
        )
        self.reading = READING
        self.changed = True

    def saved(self) -> list[tuple[bytes, bytes]]:
        """The keys and values that changed since the last call."""
        if not self.changed:
            return []
        rows: list[tuple[bytes, bytes]] = []
        for page in range(
            self.saved_texts // COMBOS_PER_PAGE, -(-len(self.texts) // COMBOS_PER_PAGE)
        ):
            texts: Any = self.texts[page * COMBOS_PER_PAGE : (page + 1) * COMBOS_PER_PAGE]
            rows.append((combos_key(self.id, page), packed(texts)))
        self.saved_texts = len(self.texts)
        record = OrganizationRecord(
            run=self.run,
            as_of=self.as_of,
            settings_version=self.settings_version,
            settings=msgspec.json.encode(self.settings),
            combos=len(self.texts),
            reading=self.reading,
        )
        rows.append((organization_key(self.id), packed(record)))
        self.changed = False
        return rows


def organizations(store: Store) -> dict[str, Organization]:
    """Every organization that the store knows."""
    names = [key[1:].decode() for key, _ in store.scan(b"o")]
    return {name: Organization(store, name) for name in names}
