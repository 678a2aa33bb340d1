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
from shared.domain import cherry_picking
from shared.domain.detection import SignalKey, explained, firing
from shared.domain.history import Day, Standing, stand
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
        for (name, account), one in self._unsaved.items():
            of = self._organizations[name]
            rows += one.saved(due_on=of.due[account], share=of.shares.get(account, (0, 0)))
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
        of = self._organization(order.organization)
        entry = self._entry(of, order)
        place = self._index.find(of.organization, order.order)
        if place is None:
            account, left = self._account(of, order.account), None
        else:
            holder = self._account(of, place[0])
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
            account, left = (self._account(of, order.account), holder) if moved else (holder, None)
        checked: list[Account] = []
        on = 0
        before: list[set[SignalKey]] = []
        if of.open:  # most accounts carry no signal: nothing of them can close
            checked = [one for one in (left, account) if one is not None and one.account in of.open]
            on = max(entry.counts_on, of.as_of)
            before = [firing(self._stand(of, one, on), of.settings) for one in checked]
        if left is not None and place is not None:
            left.remove(order.order, place[1])
            self._touched(of, left)
        page = (
            account.put(order.order, entry)
            if left or place is None
            else account.replace(order.order, place[1], entry)
        )
        if place != (account.account, page):
            self._index.set(of.organization, order.order, (account.account, page))
        self._touched(of, account)
        events: Events = []
        for one, fired in zip(checked, before, strict=True):
            events += self._check(
                of, one, order, entry if one is account else None, fired, on, offset, at
            )
        return events

    def _entry(self, of: Organization, order: Order) -> Entry:
        values: list[int] = []
        if not order.cancelled:
            sums: dict[int, list[int]] = {}
            for line in order.lines:
                texts = (line.od, line.grade)
                ref = of.refs.get(texts)
                if ref is None:
                    ref = of.ref(texts)
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

    def _check(
        self,
        of: Organization,
        one: Account,
        order: Order,
        entry: Entry | None,
        fired: set[SignalKey],
        on: Day,
        offset: int,
        at: datetime,
    ) -> Events:
        """Close what no longer fires: because the order answers it, or because it fired on this day
        before the order.

        `entry` is the order's, None at the account that it left: there it answers nothing.
        """
        fires = firing(self._stand(of, one, on), of.settings)
        positive = (
            [
                ref
                for ref, is_positive in zip(entry.values[::3], entry.values[1::3], strict=True)
                if is_positive
            ]
            if entry
            else []
        )
        events: Events = []
        for key, episode in one.open_signals().items():
            if key in fires:
                continue
            answered = entry is not None and answers(
                key,
                opened_on=episode.opened_on,
                counts_on=entry.counts_on,
                positive_refs=positive,
                readings=of.readings,
            )
            if answered or key in fired:
                cause = (
                    order.order,
                    str(order.revision),
                    order.content,
                    order.counts_on.isoformat(),
                )
                source = Source(offset, at, None, cause)
                resolution: Resolution = "reordered" if answered else "correction"
                events.append(
                    self._recovered(of, one, key, episode, source, on, resolution, order.order)
                )
        return events

    # -- runs --------------------------------------------------------------------------------------

    def _run(self, run: RunRequested, source: Source) -> Events:
        of = self._organization(run.organization)
        day = run.as_of.toordinal()
        if run.number <= of.run or day < of.as_of:
            return [self._completed(of, run, source, repeated=True)]
        last_settings, last_readings = of.settings, of.readings
        is_first = of.run == 0
        of.begin_run(run.number, day, run.settings_version, run.settings)
        changed = is_first or of.settings != last_settings
        accounts = (
            sorted(of.due)
            if changed
            else sorted(a for a, due in of.due.items() if due <= day or a in of.open)
        )
        standings = self._look_at(of, accounts, day)
        usual = self._usual_share(of) if of.settings.cherry_picking.enabled else None
        events: Events = []
        for account, standing in standings.items():
            one = self._account(of, account)
            found = explained(standing, of.settings, one.cells, usual or cherry_picking.MOST_SHARE)
            for key, figures in found.items():
                events.append(self._seen(of, one, key, figures, standing, run, source))
            gone = {key: episode for key, episode in one.open_signals().items() if key not in found}
            under_last: set[SignalKey] = set()
            if gone and of.settings != last_settings:
                under_last = firing(
                    stand(one.cells, last_readings, last_settings, on=day), last_settings
                )
            for key, episode in gone.items():
                resolution = resolution_by_run(
                    key,
                    still_fires_under_last_settings=key in under_last,
                    standing=standing,
                    settings=of.settings,
                )
                events.append(self._recovered(of, one, key, episode, source, day, resolution, None))
            self._let_go()
        completed = self._completed(
            of, run, source, evaluated=len(accounts), events=events, usual=usual
        )
        return [*events, completed]

    def _look_at(self, of: Organization, accounts: list[str], day: Day) -> dict[str, Standing]:
        """Bring due days and shares of `accounts` to this day. Returns how those stand that carry a
        signal or fire one.
        """
        standings: dict[str, Standing] = {}
        for account in accounts:
            standing = self._stand(of, self._account(of, account), day)
            of.due[account] = standing.next_change
            of.shares[account] = (standing.specialty_cents, standing.spend_cents)
            if account in of.open or firing(standing, of.settings):
                standings[account] = standing
            self._let_go()
        return standings

    def _usual_share(self, of: Organization) -> Fraction:
        """The share that estimates are held against; the shares of accounts that were
        not due are still right.
        """
        thresholds = of.settings.cherry_picking
        return cherry_picking.usual_share(
            share
            for share in of.shares.values()
            if cherry_picking.reaches_floor(share[1], thresholds)
            and not cherry_picking.is_cherry_picking(*share, thresholds)
        )

    # -- events ------------------------------------------------------------------------------------

    def _seen(
        self,
        of: Organization,
        one: Account,
        key: SignalKey,
        figures: Figures,
        standing: Standing,
        run: RunRequested,
        source: Source,
    ) -> SignalOpened | SignalSeen:
        episode = one.episodes.get(key)
        kind: type[SignalOpened | SignalSeen] = SignalSeen
        if episode is None or not episode.is_open:
            kind = SignalOpened
            episode = Episode(episode.number + 1 if episode else 1, standing.on, True)
            one.set_episode(key, episode)
            of.open.add(one.account)
            self._unsaved[of.organization, one.account] = one
        signal = signal_of(of.organization, one.account, key)
        return kind(
            id=ids.derived(kind.__name__, of.organization, signal, *source.cause),
            organization=of.organization, account=one.account, signal=signal, signal_type=key.type,
            combo=combo_of(key), episode=episode.number,
            opened_on=date.fromordinal(episode.opened_on), at=source.at,
            source_offset=source.offset, run=source.run, as_of=run.as_of,
            settings_version=run.settings_version, lifetime_revenue_cents=standing.lifetime_cents,
            figures=figures,
        )  # fmt: skip

    def _recovered(
        self, of: Organization, one: Account, key: SignalKey, episode: Episode, source: Source,
        on: Day, resolution: Resolution, order: str | None,
    ) -> SignalRecovered:  # fmt: skip
        one.set_episode(key, episode._replace(is_open=False))
        if not one.open_signals():
            of.open.discard(one.account)
        self._unsaved[of.organization, one.account] = one
        signal = signal_of(of.organization, one.account, key)
        return SignalRecovered(
            id=ids.derived("SignalRecovered", of.organization, signal, *source.cause),
            organization=of.organization, account=one.account, signal=signal, signal_type=key.type,
            combo=combo_of(key), episode=episode.number,
            opened_on=date.fromordinal(episode.opened_on), at=source.at,
            source_offset=source.offset, run=source.run, closed_on=date.fromordinal(on),
            resolution=resolution, order=order,
        )  # fmt: skip

    def _completed(
        self, of: Organization, run: RunRequested, source: Source, *, evaluated: int = 0,
        events: Events | None = None, usual: Fraction | None = None, repeated: bool = False,
    ) -> RunCompleted:  # fmt: skip
        kinds = [type(event) for event in events or []]
        again = "repeated" if repeated else ""
        share = None if usual is None else f"{usual.numerator}/{usual.denominator}"
        return RunCompleted(
            id=ids.derived("RunCompleted", of.organization, *source.cause, again),
            organization=of.organization, number=run.number, as_of=run.as_of,
            settings_version=run.settings_version, at=source.at, source_offset=source.offset,
            accounts=len(of.due), evaluated=evaluated, opened=kinds.count(SignalOpened),
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

    def _account(self, of: Organization, account: str) -> Account:
        found = self._accounts.get((of.organization, account))
        if found is None:
            found = self._accounts[of.organization, account] = Account(
                self._store, of.organization, account
            )
            of.due.setdefault(account, DUE_NOW)
        return found

    def _touched(self, of: Organization, one: Account) -> None:
        of.due[one.account] = DUE_NOW
        self._unsaved[of.organization, one.account] = one

    def _stand(self, of: Organization, one: Account, on: Day) -> Standing:
        return stand(one.cells, of.readings, of.settings, on=on)

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
