"""Where the links of a mail lead: pages of the console, under WINBACK_BASE_URL."""

from urllib.parse import quote

from shared.domain.outcomes import Kind as OutcomeKind
from shared.events import SignalType
from shared.settings import settings


def console(organization: str) -> str:
    """The organization's own page."""
    return f"{settings().base_url.rstrip('/')}/o/{quote(organization, safe='')}"


def accounts(organization: str, digest: str) -> str:
    """The accounts that a digest counts; of one that nobody sends, the organization's own page."""
    if not digest:
        return console(organization)
    return f"{console(organization)}/accounts?digest={quote(digest, safe='')}"


def signals(organization: str, type_: SignalType) -> str:
    """All active signals of a type."""
    return f"{console(organization)}/signals?type={type_}"


def account(organization: str, account: str) -> str:
    """The account's drawer."""
    return f"{console(organization)}/accounts/{quote(account, safe='')}"


def outcome(organization: str, account: str, kind: OutcomeKind) -> str:
    """A page that asks whether to note it: following a link never acts, since
    scanners follow links too.
    """
    return f"{console(organization)}/outcomes/{kind}/{quote(account, safe='')}"


def sequence(organization: str, sequence: str) -> str:
    """A draft, to be read and launched."""
    return f"{console(organization)}/sequences/{quote(sequence, safe='')}"
