"""A digest in words (product.md 5, console.md *Mails*)."""

from collections.abc import Iterable, Mapping
from itertools import accumulate

from services.digest import links
from services.digest.facts import Back, Facts, Purchase
from services.digest.frame import Occasion, Room, alarm_words, foot, joined, newest_order
from services.digest.view import (
    Act,
    Always,
    AlwaysLine,
    BackLine,
    BackSection,
    ComboLine,
    DigestView,
    Name,
    RowView,
    SectionView,
    SummaryLine,
)
from shared import wording
from shared.domain.digest import Account, Digest, Item, Row, Section
from shared.events import CherryPickingFigures, DormantFigures, LapseFigures, SignalType
from shared.wording import TYPE_LETTERS, TYPE_TITLES, counted, money, short_money

LONGEST_OWNER = 40
BACK_SHOWN = 10

GLYPHS: dict[SignalType, str] = {"dormant": "●", "lapse": "■", "cherry_picking": "◆"}
LEADS: dict[SignalType, str] = {
    "dormant": "Stopped ordering.",
    "lapse": "Still ordering, but no longer these.",
    "cherry_picking": "Only the hard-to-find sizes.",
}
HEADS: dict[SignalType, tuple[str, ...]] = {
    "dormant": ("Account", "Days inactive", "Lifetime"),
    "lapse": ("Account, size and grade", "Lapsed revenue"),
    "cherry_picking": ("Account", "Specialty", "Upside, est."),
}


def digest_view(
    facts: Facts, digest: Digest, purchases: Mapping[str, Purchase], occasion: Occasion, room: Room
) -> DigestView:
    """A digest that has somebody to call."""
    organization = facts.organization
    currency = organization.currency
    alarm = alarm_words(facts.feed, occasion)
    title = f"{short_money(digest.recoverable_revenue_cents, currency)} recoverable"
    to_call = f"{counted(digest.accounts, 'account')} to call"
    subject = (
        f"{to_call} · {short_money(digest.recoverable_revenue_cents, currency)} · "
        f"{_new(digest.new)}"
    )
    writer = Writer(facts, digest, purchases, occasion, room)
    return DigestView(
        organization=room.fit(organization.name, room.name),
        subject=f"{alarm} · {to_call}" if alarm else subject,
        preheader=", ".join(
            f"{wording.isolated(writer.name(account).text)} {money(cents, currency)}"
            for account, cents in digest.largest
        ),
        day=wording.long_day(digest.as_of),
        title=title,
        lead=("Your accounts: " if occasion.own else "")
        + f"{to_call}, {_new_signals(digest.new)}{_change(facts, digest)}",
        newest_order=newest_order(facts, occasion),
        alarm=f"{alarm}." if alarm else "",
        alarm_detail="Accounts look dormant while the feed is silent: "
        "look at the feed before you call."
        if alarm
        else "",
        summary=tuple(_summary_lines(digest, currency)),
        together=SummaryLine(
            letter="",
            glyph="",
            title="Together",
            accounts=wording.count(digest.accounts),
            new=wording.count(digest.new),
            at_stake=money(digest.recoverable_revenue_cents, currency),
        ),
        overlap=_overlap(digest),
        open=f"Open the {counted(digest.accounts, 'account')}"
        if digest.accounts > 1
        else "Open the account",
        console_url=links.console(organization.organization),
        accounts_url=links.accounts(organization.organization, occasion.digest)
        + ("&mine=yes" if occasion.own and occasion.digest else ""),
        back=writer.back(),
        sections=tuple(writer.section(section) for section in digest.sections),
        always=writer.always(),
        foot=foot(facts, occasion),
    )


class Writer:
    """Puts rows into words; holds what all of them need."""

    def __init__(
        self,
        facts: Facts,
        digest: Digest,
        purchases: Mapping[str, Purchase],
        occasion: Occasion,
        room: Room,
    ) -> None:
        self.facts, self.digest, self.purchases, self.occasion, self.room = (
            facts,
            digest,
            purchases,
            occasion,
            room,
        )
        self.organization = facts.organization.organization
        self.currency = facts.organization.currency
        self.in_section = {
            section.type: {
                signal.account for signal in facts.signals if signal.type == section.type
            }
            for section in digest.sections
        }

    def name(self, account: Account) -> Name:
        url = links.account(self.organization, account.account)
        return Name(
            text=self.room.fit(account.name or account.account, self.room.name),
            url=url if len(url) <= self.room.link else "",
        )

    def owner(self, account: Account) -> str:
        return self.room.fit(account.owner or "", min(LONGEST_OWNER, self.room.name))

    def detail(self, *pieces: str) -> str:
        return joined(
            *(wording.isolated(self.room.fit(piece, self.room.detail)) for piece in pieces)
        )

    def section(self, section: Section) -> SectionView:
        shown = f"{wording.count(len(section.rows))} of {wording.count(section.total)}"
        draft = self.occasion.drafts.get(section.type)
        return SectionView(
            letter=TYPE_LETTERS[section.type],
            glyph=GLYPHS[section.type],
            title=TYPE_TITLES[section.type],
            total=wording.count(section.total),
            lead=f"{LEADS[section.type]} By lifetime revenue.",
            draft_url=links.sequence(self.organization, draft) if draft else "",
            heads=HEADS[section.type],
            rows=tuple(self.row(section.type, row) for row in section.rows),
            shown=shown,
            all_url=links.signals(self.organization, section.type),
            note=self.note(section.type),
        )

    def row(self, type_: SignalType, row: Row) -> RowView:
        owner = self.owner(row.account)
        figures = row.items[0].signal.figures
        if isinstance(figures, DormantFigures):
            said = (
                wording.count(figures.days_inactive),
                short_money(row.lifetime_revenue_cents, self.currency),
            )
            stake = short_money(row.at_stake_cents, self.currency)
            detail = joined(
                f"{stake} at stake" if self.room.acts else "",
                self.last_bought(row.account, figures),
            )
        elif isinstance(figures, CherryPickingFigures):
            said = (
                wording.percent(figures.specialty_share_bps),
                short_money(figures.estimated_upside_cents, self.currency),
            )
            detail = self.beside(row.account)
        else:
            return RowView(
                name=self.name(row.account),
                state=None,
                owner=owner,
                figures=(short_money(row.at_stake_cents, self.currency),),
                combos=tuple(self.combo(item, alone=len(row.items) == 1) for item in row.items),
                more=f"{row.more} more" if row.more else "",
                detail=self.detail(self.contact(row.account)),
                acts=self.acts(row.account),
            )
        return RowView(
            name=self.name(row.account),
            state=row.items[0].state,
            owner=owner,
            figures=said,
            detail=self.detail(owner, detail, self.contact(row.account)),
            acts=self.acts(row.account),
        )

    def contact(self, account: Account) -> str:
        """Whom to call: the name, and the number or the address."""
        one = self.facts.contacts.get(account.account)
        if one is None or not self.room.acts:
            return ""
        return " ".join(part for part in (one.name, one.phone or one.email) if part)

    def back(self) -> BackSection | None:
        found = self.facts.back
        if not found:
            return None
        shown = found[:BACK_SHOWN]
        return BackSection(
            total=wording.count(len(found)),
            lead="Ordered since the last digest, with or without a call.",
            lines=tuple(
                BackLine(
                    name=self.name(one.account),
                    detail=self.detail(self.owner(one.account), self.ordered(one)),
                    amount=short_money(one.order_cents, self.currency),
                )
                for one in shown
            ),
            more=f"{len(found) - len(shown)} more" if len(found) > len(shown) else "",
            all_url=f"{links.console(self.organization)}/accounts?state=back",
        )

    def ordered(self, one: Back) -> str:
        combos = ", ".join(wording.combo_words(combo) for combo in one.what[:2])
        more = f" and {len(one.what) - 2} more" if len(one.what) > 2 else ""
        what = "again" if one.is_whole or not one.what else f"{combos}{more}"
        day = wording.short_day(one.ordered_on, seen_from=self.digest.as_of)
        return f"ordered {what} on {day}"

    def acts(self, account: Account) -> tuple[Act, ...]:
        if not self.room.acts:
            return ()
        names = wording.OUTCOME_NAMES.items()
        return tuple(
            Act(words=words, url=links.outcome(self.organization, account.account, kind))
            for kind, words in names
        )

    def combo(self, item: Item, *, alone: bool) -> ComboLine:
        figures, combo = item.signal.figures, item.signal.combo
        assert isinstance(figures, LapseFigures) and combo is not None
        return ComboLine(
            words=self.room.fit(wording.combo_words(combo), self.room.combo),
            silent=f"silent {counted(figures.days_silent, 'day')}",
            state=item.state,
            amount="" if alone else short_money(figures.lapsed_revenue_cents, self.currency),
        )

    def last_bought(self, account: Account, figures: DormantFigures) -> str:
        purchase = self.purchases.get(account.account)
        day = wording.short_day(figures.last_ordered_on, seen_from=self.digest.as_of)
        if purchase is None or purchase.on != figures.last_ordered_on or not purchase.labels:
            return f"last bought {day}"
        return f"last bought {day}: {', '.join(purchase.labels)}"

    def beside(self, account: Account) -> str:
        """What else there is to say of an account in C."""
        if account.account in self.in_section.get("dormant", ()):
            return "also fully dormant"
        if account.account in self.in_section.get("lapse", ()):
            return "also a product lapse"
        return self.last_order(account)

    def last_order(self, account: Account) -> str:
        purchase = self.purchases.get(account.account)
        if purchase is None:
            return "no order yet"
        days = (self.digest.as_of - purchase.on).days
        return f"last order {counted(days, 'day')} ago" if days else "last order today"

    def note(self, type_: SignalType) -> str:
        run = self.facts.run
        if type_ != "cherry_picking" or run is None or run.median_share is None:
            return ""
        share = wording.share(run.median_share)
        return (
            "Upside = specialty × (1 − m) ÷ m − standard, "
            f"with m = {share}, the median of your other accounts, 20 to 80 %."
        )

    def always(self) -> Always | None:
        if not self.digest.always:
            return None
        return Always(
            total=wording.count(len(self.digest.always) + self.digest.always_more),
            lines=tuple(
                AlwaysLine(
                    name=self.name(account),
                    detail=self.detail(
                        self.owner(account), f"no signal, {self.last_order(account)}"
                    ),
                )
                for account in self.digest.always
            ),
            more=f"{self.digest.always_more} more" if self.digest.always_more else "",
        )


def _summary_lines(digest: Digest, currency: str) -> Iterable[SummaryLine]:
    """Amounts are rounded so that they add up to the rounded sum: each is the step between two
    rounded running sums.
    """
    running = [0, *accumulate(section.counted_cents for section in digest.sections)]
    units = [wording.whole_units(cents, currency) for cents in running]
    for section, before, after in zip(digest.sections, units, units[1:], strict=False):
        yield SummaryLine(
            letter=TYPE_LETTERS[section.type],
            glyph=GLYPHS[section.type],
            title=TYPE_TITLES[section.type],
            accounts=wording.count(section.total),
            new=wording.count(section.new),
            at_stake=wording.money_units(after - before, currency),
        )


def _overlap(digest: Digest) -> str:
    if not digest.overlapping:
        return ""
    if digest.overlapping == 1:
        return (
            "1 account stands in two sections and counts once; a dormant one counts under A only."
        )
    return (
        f"{digest.overlapping} accounts stand in two sections and count once; "
        "a dormant one counts under A only."
    )


def _new(number: int) -> str:
    return f"{wording.count(number)} new" if number else "nothing new"


def _new_signals(number: int) -> str:
    return f"{counted(number, 'signal')} new" if number else "no signal new"


def _change(facts: Facts, digest: Digest) -> str:
    if digest.change_cents is None or facts.previous is None:
        return ""
    since = wording.short_day(facts.previous.as_of, seen_from=digest.as_of)
    if digest.change_cents == 0:
        return f" · as much as on {since}"
    amount = short_money(abs(digest.change_cents), facts.organization.currency)
    return f" · {amount} {'more' if digest.change_cents > 0 else 'less'} than on {since}"
