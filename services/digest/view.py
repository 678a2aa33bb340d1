"""What a mail shows, as text: templates put it into place and compute nothing."""

from dataclasses import dataclass

from shared.domain.digest import State

# These stand for what differs between recipients; no name can hold them (wording.plain_name).
WHY = "\ue000why\ue000"
UNSUBSCRIBE = "\ue000unsubscribe\ue000"


@dataclass(frozen=True, kw_only=True)
class Foot:
    """Under every mail. why and unsubscribe are the recipient's."""

    schedule: str
    next: str
    why: str = WHY
    unsubscribe: str = UNSUBSCRIBE


@dataclass(frozen=True, kw_only=True)
class Name:
    """An account, with its link where there is room for one."""

    text: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Act:
    """One of the three outcomes, and the page that asks for it."""

    words: str
    url: str


@dataclass(frozen=True, kw_only=True)
class SummaryLine:
    """One section in the head's table."""

    letter: str
    glyph: str
    title: str
    accounts: str
    new: str
    at_stake: str


@dataclass(frozen=True, kw_only=True)
class ComboLine:
    """One lapsed combo under its account; its amount only where there are several."""

    words: str
    silent: str
    state: State
    amount: str


@dataclass(frozen=True, kw_only=True)
class RowView:
    """One account of a section: figures in the order of the section's heads."""

    name: Name
    state: State | None
    owner: str
    figures: tuple[str, ...]
    detail: str = ""
    combos: tuple[ComboLine, ...] = ()
    more: str = ""
    acts: tuple[Act, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SectionView:
    """One type."""

    letter: str
    glyph: str
    title: str
    total: str
    lead: str
    draft_url: str
    heads: tuple[str, ...]
    rows: tuple[RowView, ...]
    shown: str
    all_url: str
    note: str


@dataclass(frozen=True, kw_only=True)
class AlwaysLine:
    """An account that is pinned to Yes and has no signal."""

    name: Name
    detail: str


@dataclass(frozen=True, kw_only=True)
class Always:
    """*Always included*."""

    total: str
    lines: tuple[AlwaysLine, ...]
    more: str


@dataclass(frozen=True, kw_only=True)
class BackLine:
    """An account that ordered since the last digest."""

    name: Name
    detail: str
    amount: str


@dataclass(frozen=True, kw_only=True)
class BackSection:
    """*Came back*."""

    total: str
    lead: str
    lines: tuple[BackLine, ...]
    more: str
    all_url: str


@dataclass(frozen=True, kw_only=True)
class DigestView:
    """The digest. alarm: what a silent feed makes of it, or nothing."""

    organization: str
    subject: str
    preheader: str
    day: str
    title: str
    lead: str
    newest_order: str
    alarm: str
    alarm_detail: str
    summary: tuple[SummaryLine, ...]
    together: SummaryLine
    overlap: str
    open: str
    console_url: str
    accounts_url: str
    back: BackSection | None
    sections: tuple[SectionView, ...]
    always: Always | None
    foot: Foot


@dataclass(frozen=True, kw_only=True)
class HeartbeatView:
    """The short mail: a title and lines of (label, words); loud where it must
    not be read as good news.
    """

    organization: str
    subject: str
    preheader: str
    title: str
    loud: bool
    detail: str
    lines: tuple[tuple[str, str], ...]
    console_url: str
    always: Always | None
    foot: Foot
