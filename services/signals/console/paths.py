"""Addresses of pages that others lead to, and which of those that a form brings are followed."""

import re
from urllib.parse import quote

LOCAL = re.compile(r"/o/[A-Za-z0-9._~%/-]{1,500}")


def account_path(organization: str, account: str) -> str:
    """Of the account's page."""
    return f"{accounts_path(organization)}/{quote(account, safe='')}"


def accounts_path(organization: str) -> str:
    """Of the table of accounts."""
    return f"/o/{quote(organization, safe='')}/accounts"


def sequence_path(organization: str, sequence: str) -> str:
    """Of the editor of a sequence."""
    return f"/o/{quote(organization, safe='')}/sequences/{quote(sequence, safe='')}"


def local_path(path: str) -> str:
    """A page of some organization; anything else is the first page."""
    return path if LOCAL.fullmatch(path) else "/"


def back_to(wanted: str, organization: str, *, otherwise: str) -> str:
    """Where a form says that it came from, with its query, within the organization; anything else
    is `otherwise`.
    """
    path, _, query = wanted.partition("?")
    if not path.startswith(f"/o/{organization}/") or local_path(path) != path:
        return otherwise
    return wanted if query.isascii() and query.isprintable() else path


def back_to_table(wanted: str, organization: str) -> str:
    """As `back_to`; the table of accounts otherwise."""
    return back_to(wanted, organization, otherwise=accounts_path(organization))
