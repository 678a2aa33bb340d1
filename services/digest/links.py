"""Where the links of a mail lead: pages of the console, under WINBACK_BASE_URL."""

from urllib.parse import quote

from shared.events import SignalType
from shared.settings import settings


def console(organization: str) -> str:
    """The organization's own page."""
    return f"{settings().base_url.rstrip('/')}/o/{quote(organization, safe='')}"


def signals(organization: str, type_: SignalType) -> str:
    """All active signals of a type."""
    return f"{console(organization)}/signals?type={type_}"


def account(organization: str, account: str) -> str:
    """The account's drawer."""
    return f"{console(organization)}/accounts/{quote(account, safe='')}"


def sequence(organization: str, sequence: str) -> str:
    """A draft, to be read and launched."""
    return f"{console(organization)}/sequences/{quote(sequence, safe='')}"
