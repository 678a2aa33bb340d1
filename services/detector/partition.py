"""What happens to the records of one partition of `orders`: state and record in, events out. No
Kafka, no clock, no I/O but the store it reads from.

Writes are absolute: an order's entry is set or removed, sums follow from entries, so a suffix of
orders can be applied again with the same end. `flush` returns everything that must reach changelog
and disk together.
"""

from datetime import date, datetime
from fractions import Fraction
from typing import NamedTuple

from services.detector.accounts import DUE_NOW, Account, Entry, Episode
from services.detector.index import Index
from services.detector.organization import Organization, organizations
from services.detector.pages import Store
from shared import ids
from shared.domain import cherry_picking, history
from shared.domain.detection import SignalKey, explained, firing
from shared.domain.history import READING, Day, Standing, stand
from shared.domain.orders import Version, counting
from shared.domain.signals import answers, resolution_by_run
from shared.events import (
    Combo,
    Figures,
    Order,
    OrdersAccepted,
    OrdersRecord,
    Resolution,
    RunCompleted,
    RunRequested,
    SignalOpened,
    SignalRecovered,
    SignalSeen,
    SignalsRecord,
    StateRestored,
)

# of the SHA-256: as good as all 32 to tell two contents apart, and to order them
CONTENT_BYTES = 16

Events = list[SignalsRecord]


class Source(NamedTuple):
    """Where an event comes from: the offset and time of the record, and what
    of it caused the event.
    """

    offset: int
    at: datetime
    run: int | None
    cause: tuple[str, ...]


class Folded(NamedTuple):
    """An order that was folded into an account, and what is looked at for it: the day `on`.

    `entry` is the order's, None at the account that it left: there it answers nothing.
    """

    order: Order
    entry: Entry | None
    on: Day
    offset: int
    at: datetime

    def positive_refs(self) -> list[int]:
        """The combos of its lines that earn something."""
        values = self.entry.values if self.entry is not None else ()
        pairs = zip(values[::3], values[1::3], strict=True)
        return [ref for ref, is_positive in pairs if is_positive]


class Partition:
    """The state of one partition, decoded as far as it was touched."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._organizations = organizations(store)
        self._accounts: dict[tuple[str, str], Account] = {}
        self._unsaved: dict[tuple[str, str], Account] = {}
        self._index = Index(store)
        self.keep = 100_000  # accounts that a run may leave in memory; `flush` sets it

    # -- records -----------------------------------------------------------------------------------

    def apply(self, event: OrdersRecord, *, offset: int, at: datetime) -> Events:
        """Take one record of the log. Returns the signal events it causes, in order."""
        if isinstance(event, RunRequested):
            return self._run(event, Source(offset, at, event.number, (str(event.number),)))
        if isinstance(event, StateRestored):
            self._restore(event)
            return []
        assert isinstance(event, OrdersAccepted)
        events: Events = []
        for order in event.orders:
            if caused := self._fold(order, offset, at):
                events += caused
        return events

    def flush(self, keep: int) -> list[tuple[bytes, bytes]]:
        """The keys and values that changed since the last flush; afterwards at most `keep` accounts
        stay in memory.
        """
        rows: list[tuple[bytes, bytes]] = []
        for organization in self._organizations.values():
            rows += organization.saved()
        for (name, account_id), account in self._unsaved.items():
            organization = self._organizations[name]
            share = organization.shares.get(account_id, (0, 0))
            rows += account.saved(due_on=organization.due[account_id], share=share)
        self._unsaved.clear()
        rows += self._index.saved(keep)
        self.keep = keep
        self._let_go()
        return rows

    @property
    def cached_accounts(self) -> int:
        """Accounts that are decoded in memory."""
        return len(self._accounts)

    # -- orders ------------------------------------------------------------------------------------

    def _fold(self, order: Order, offset: int, at: datetime) -> Events:
        organization = self._organization(order.organization)
        entry = self._entry(organization, order)
        place = self._index.find(organization.id, order.order)
        if place is None:
            account, left = self._account(organization, order.account), None
        else:
            holder = self._account(organization, place[0])
            old = holder.entry(order.order, place[1])
            verdict = counting(
                version_of(old, revision_given=True),
                version_of(entry, revision_given=order.revision_given),
            )
            if verdict in ("duplicate", "older"):
                return []
            if verdict == "earlier_day":
                entry = old._replace(counts_on=entry.counts_on)
            moved = verdict == "new" and place[0] != order.account
            account, left = (
                (self._account(organization, order.account), holder) if moved else (holder, None)
            )
        checked: list[Account] = []
        on = 0
        before: list[set[SignalKey]] = []
        if organization.open:  # most accounts carry no signal: nothing of them can close
            checked = [
                one for one in (left, account) if one is not None and one.id in organization.open
            ]
            on = max(entry.counts_on, organization.as_of)
            before = [
                firing(self._stand(organization, one, on), organization.settings) for one in checked
            ]
        if left is not None and place is not None:
            left.remove(order.order, place[1])
            self._touched(organization, left)
        page = (
            account.put(order.order, entry)
            if left or place is None
            else account.replace(order.order, place[1], entry)
        )
        if place != (account.id, page):
            self._index.set(organization.id, order.order, (account.id, page))
        self._touched(organization, account)
        events: Events = []
        for one, fired in zip(checked, before, strict=True):
            folded = Folded(order, entry if one is account else None, on, offset, at)
            events += self._closed_by(folded, organization, one, fired)
        return events

    def _entry(self, organization: Organization, order: Order) -> Entry:
        values: list[int] = []
        if not order.cancelled:
            sums: dict[int, list[int]] = {}
            for line in order.lines:
                texts = (line.od, line.grade)
                ref = organization.refs.get(texts)
                if ref is None:
                    ref = organization.ref(texts)
                found = sums.get(ref)
                if found is None:
                    sums[ref] = [int(line.revenue_cents > 0), line.revenue_cents]
                else:
                    found[0] |= line.revenue_cents > 0
                    found[1] += line.revenue_cents
            for ref, pair in sums.items():
                values.append(ref)
                values += pair
        return Entry(
            order.revision,
            bytes.fromhex(order.content[: 2 * CONTENT_BYTES]),
            order.counts_on.toordinal(),
            tuple(values),
        )

    def _closed_by(
        self, folded: Folded, organization: Organization, account: Account, fired: set[SignalKey]
    ) -> Events:
        """Close what no longer fires: because the order answers it, or because it is among what
        `fired` on this day before the order.
        """
        order = folded.order
        fires = firing(self._stand(organization, account, folded.on), organization.settings)
        events: Events = []
        for key, episode in account.open_signals().items():
            if key in fires:
                continue
            is_answered = folded.entry is not None and answers(
                key,
                opened_on=episode.opened_on,
                counts_on=folded.entry.counts_on,
                positive_refs=folded.positive_refs(),
                readings=organization.readings,
            )
            if is_answered or key in fired:
                cause = (
                    order.order,
                    str(order.revision),
                    order.content,
                    order.counts_on.isoformat(),
                )
                source = Source(folded.offset, folded.at, None, cause)
                resolution: Resolution = "reordered" if is_answered else "correction"
                events.append(
                    self._recovered(
                        organization,
                        account,
                        key,
                        episode,
                        source,
                        folded.on,
                        resolution,
                        order.order,
                    )
                )
        return events

    # -- a log that was written anew ---------------------------------------------------------------

    def _restore(self, event: StateRestored) -> None:
        """Signals and the latest run as they were; the next run looks at every account again."""
        organization = self._organization(event.organization)
        if event.run >= organization.run:
            day = event.as_of.toordinal()
            organization.begin_run(event.run, day, event.settings_version, event.settings)
        for signal in event.signals:
            combo = history.Combo(signal.od, signal.grade)
            key = SignalKey(signal.signal_type, combo if signal.signal_type == "lapse" else None)
            account = self._account(organization, signal.account)
            opened_on = signal.opened_on.toordinal()
            account.set_episode(key, Episode(signal.episode, opened_on, signal.is_active))
            if signal.is_active:
                organization.open.add(account.id)
            self._touched(organization, account)

    # -- runs --------------------------------------------------------------------------------------

    def _run(self, run: RunRequested, source: Source) -> Events:
        organization = self._organization(run.organization)
        day = run.as_of.toordinal()
        if run.number <= organization.run or day < organization.as_of:
            return [self._completed(organization, run, source, repeated=True)]
        last_settings, last_readings = organization.settings, organization.readings
        is_first, is_read_otherwise = organization.run == 0, organization.reading != READING
        organization.begin_run(run.number, day, run.settings_version, run.settings)
        changed = is_first or is_read_otherwise or organization.settings != last_settings
        accounts = (
            sorted(organization.due)
            if changed
            else sorted(
                id_
                for id_, due in organization.due.items()
                if due <= day or id_ in organization.open
            )
        )
        standings = self._bring_to(organization, accounts, day)
        usual = (
            self._usual_share(organization)
            if organization.settings.cherry_picking.enabled
            else None
        )
        events: Events = []
        for account_id, standing in standings.items():
            account = self._account(organization, account_id)
            found = explained(
                standing, organization.settings, account.cells, usual or cherry_picking.MOST_SHARE
            )
            for key, figures in found.items():
                events.append(
                    self._seen(organization, account, key, figures, standing, run, source)
                )
            gone = {
                key: episode for key, episode in account.open_signals().items() if key not in found
            }
            under_last: set[SignalKey] = set()
            if gone and organization.settings != last_settings:
                under_last = firing(
                    stand(account.cells, last_readings, last_settings, on=day), last_settings
                )
            for key, episode in gone.items():
                resolution = resolution_by_run(
                    key,
                    still_fires_under_last_settings=key in under_last,
                    is_read_otherwise=is_read_otherwise,
                    standing=standing,
                    settings=organization.settings,
                )
                events.append(
                    self._recovered(
                        organization, account, key, episode, source, day, resolution, None
                    )
                )
            self._let_go()
        completed = self._completed(
            organization, run, source, evaluated=len(accounts), events=events, usual=usual
        )
        return [*events, completed]

    def _bring_to(
        self, organization: Organization, accounts: list[str], day: Day
    ) -> dict[str, Standing]:
        """Bring due days and shares of `accounts` to this day. Returns how those stand that carry a
        signal or fire one.
        """
        standings: dict[str, Standing] = {}
        for account_id in accounts:
            standing = self._stand(organization, self._account(organization, account_id), day)
            organization.due[account_id] = standing.next_change
            organization.shares[account_id] = (standing.specialty_cents, standing.spend_cents)
            if account_id in organization.open or firing(standing, organization.settings):
                standings[account_id] = standing
            self._let_go()
        return standings

    def _usual_share(self, organization: Organization) -> Fraction:
        """The share that estimates are held against; the shares of accounts that were
        not due are still right.
        """
        thresholds = organization.settings.cherry_picking
        return cherry_picking.usual_share(
            share
            for share in organization.shares.values()
            if cherry_picking.reaches_floor(share[1], thresholds)
            and not cherry_picking.is_cherry_picking(*share, thresholds)
        )

    # -- events ------------------------------------------------------------------------------------

    def _seen(
        self,
        organization: Organization,
        account: Account,
        key: SignalKey,
        figures: Figures,
        standing: Standing,
        run: RunRequested,
        source: Source,
    ) -> SignalOpened | SignalSeen:
        episode = account.episodes.get(key)
        kind: type[SignalOpened | SignalSeen] = SignalSeen
        if episode is None or not episode.is_open:
            kind = SignalOpened
            episode = Episode(episode.number + 1 if episode else 1, standing.on, True)
            account.set_episode(key, episode)
            organization.open.add(account.id)
            self._unsaved[organization.id, account.id] = account
        signal = signal_of(organization.id, account.id, key)
        return kind(
            id=ids.derived(kind.__name__, organization.id, signal, *source.cause),
            organization=organization.id, account=account.id, signal=signal, signal_type=key.type,
            combo=combo_of(key), episode=episode.number,
            opened_on=date.fromordinal(episode.opened_on), at=source.at,
            source_offset=source.offset, run=source.run, as_of=run.as_of,
            settings_version=run.settings_version, lifetime_revenue_cents=standing.lifetime_cents,
            figures=figures,
        )  # fmt: skip

    def _recovered(
        self, organization: Organization, account: Account, key: SignalKey, episode: Episode,
        source: Source, on: Day, resolution: Resolution, order: str | None,
    ) -> SignalRecovered:  # fmt: skip
        account.set_episode(key, episode._replace(is_open=False))
        if not account.open_signals():
            organization.open.discard(account.id)
        self._unsaved[organization.id, account.id] = account
        signal = signal_of(organization.id, account.id, key)
        return SignalRecovered(
            id=ids.derived("SignalRecovered", organization.id, signal, *source.cause),
            organization=organization.id, account=account.id, signal=signal, signal_type=key.type,
            combo=combo_of(key), episode=episode.number,
            opened_on=date.fromordinal(episode.opened_on), at=source.at,
            source_offset=source.offset, run=source.run, closed_on=date.fromordinal(on),
            resolution=resolution, order=order,
        )  # fmt: skip

    def _completed(
        self, organization: Organization, run: RunRequested, source: Source, *, evaluated: int = 0,
        events: Events | None = None, usual: Fraction | None = None, repeated: bool = False,
    ) -> RunCompleted:  # fmt: skip
        kinds = [type(event) for event in events or []]
        again = "repeated" if repeated else ""
        share = None if usual is None else f"{usual.numerator}/{usual.denominator}"
        return RunCompleted(
            id=ids.derived("RunCompleted", organization.id, *source.cause, again),
            organization=organization.id, number=run.number, as_of=run.as_of,
            settings_version=run.settings_version, at=source.at, source_offset=source.offset,
            accounts=len(organization.due), evaluated=evaluated, opened=kinds.count(SignalOpened),
            seen=kinds.count(SignalSeen), recovered=kinds.count(SignalRecovered),
            median_specialty_share=share, repeated=repeated,
        )  # fmt: skip

    # -- what is in memory -------------------------------------------------------------------------

    def _organization(self, name: str) -> Organization:
        found = self._organizations.get(name)
        if found is None:
            found = self._organizations[name] = Organization(self._store, name)
            found.changed = True
        return found

    def _account(self, organization: Organization, account_id: str) -> Account:
        found = self._accounts.get((organization.id, account_id))
        if found is None:
            found = self._accounts[organization.id, account_id] = Account(
                self._store, organization.id, account_id
            )
            organization.due.setdefault(account_id, DUE_NOW)
        return found

    def _touched(self, organization: Organization, account: Account) -> None:
        organization.due[account.id] = DUE_NOW
        self._unsaved[organization.id, account.id] = account

    def _stand(self, organization: Organization, account: Account, on: Day) -> Standing:
        return stand(account.cells, organization.readings, organization.settings, on=on)

    def _let_go(self) -> None:
        """Forget those that came first, beyond `keep`, but for those with something to save."""
        if len(self._accounts) <= self.keep:
            return
        surplus = (key for key in list(self._accounts) if key not in self._unsaved)
        for _, key in zip(range(len(self._accounts) - self.keep), surplus, strict=False):
            del self._accounts[key]


def version_of(entry: Entry, *, revision_given: bool) -> Version:
    """What decides which version of an order counts; of the one that counts so far it does not
    matter what was given.
    """
    return Version(entry.revision, entry.content, date.fromordinal(entry.counts_on), revision_given)


def signal_of(organization: str, account: str, key: SignalKey) -> str:
    """The signal's derived id."""
    return ids.signal_id(
        organization, account, key.type, key.combo and key.combo.od, key.combo and key.combo.grade
    )


def combo_of(key: SignalKey) -> Combo | None:
    """As events carry it."""
    return Combo(od=key.combo.od, grade=key.combo.grade) if key.combo is not None else None
