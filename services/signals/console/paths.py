"""Addresses of pages that others lead to, and which of those that a form brings are followed."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request

from shared.domain.outcomes import KINDS

MOST_LETTERS = 2_000  # of an address that is gone back to; a longer one loses its query
# pages below the settings that have forms of their own
TABS = frozenset({"sizes", "digest", "members", "tokens", "owners", "sending"})
LOCAL = re.compile(r"(/o/[^/?#\\]+(?:/[^?#\\]*)?)(\?[^#]*)?")
STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")
IN_PATH, IN_QUERY = "/%:@!$&'()*+,;=", "/%:@!$&'()*+,;=?"  # what stands for itself


def account_path(organization: str, account: str) -> str:
    """Of the account's page."""
    return f"{accounts_path(organization)}/{quote(account, safe='')}"


def accounts_path(organization: str) -> str:
    """Of the table of accounts."""
    return f"/o/{quote(organization, safe='')}/accounts"


def today_path(organization: str) -> str:
    """Of the first page."""
    return f"/o/{quote(organization, safe='')}"


def orders_path(organization: str) -> str:
    """Of the table of orders."""
    return f"/o/{quote(organization, safe='')}/orders"


def order_path(organization: str, order: str) -> str:
    """Of the order's page."""
    return f"/o/{quote(organization, safe='')}/order/{quote(order, safe='')}"


def sequence_path(organization: str, sequence: str) -> str:
    """Of the editor of a sequence."""
    return f"/o/{quote(organization, safe='')}/sequences/{quote(sequence, safe='')}"


def path_of(request: Request) -> str:
    """The path that was asked for, as it was written: an id may have a `?` or a `/` of its own."""
    return quote(request.scope["raw_path"], safe=IN_PATH)


def address_of(request: Request) -> str:
    """The path that was asked for, with its query, as they were written."""
    query = request.scope["query_string"]
    return path_of(request) + (f"?{quote(query, safe=IN_QUERY)}" if query else "")


def local_path(wanted: str) -> str:
    """A page of some organization, with its query, in letters that a header takes: what is no ASCII
    is percent-encoded, once. Anything else is the first page.
    """
    found = LOCAL.fullmatch(wanted)
    if found is None or any(letter < " " or letter == "\x7f" for letter in wanted):
        return "/"
    if any(unquote(part) in (".", "..") for part in found[1].split("/")):
        return "/"  # a browser would walk up
    try:
        path, query = _encoded(found[1], IN_PATH), _encoded(found[2] or "", IN_QUERY)
    except UnicodeEncodeError:
        return "/"
    fits = (one for one in (path + query, path) if len(one) <= MOST_LETTERS)
    return next(fits, "/")


def page_of_theirs(wanted: str, organizations: Iterable[str]) -> str:
    """As `local_path`, within one of `organizations`."""
    path = local_path(wanted)
    return path if any(_is_of(path, one) for one in organizations) else "/"


def back_to(wanted: str, organization: str, *, otherwise: str) -> str:
    """Where a form says that it came from, with its query, within the organization; anything else
    is `otherwise`. A query that no browser writes is left out.
    """
    for one in (wanted, wanted.partition("?")[0]):
        path = local_path(one)
        if _is_of(path, organization):
            return path
    return otherwise


def back_to_table(wanted: str, organization: str) -> str:
    """As `back_to`; the table of accounts otherwise."""
    return back_to(wanted, organization, otherwise=accounts_path(organization))


def page_of(request: Request, form: Mapping[str, str]) -> str:
    """The page that a request is of, to come back to: of a form with the fields `form` the one that
    it stands on, of a part of a page the page.
    """
    current = urlsplit(request.headers.get("hx-current-url", ""))
    if current.path and current.netloc == request.headers.get("host"):
        return local_path(current.path + (f"?{current.query}" if current.query else ""))
    if request.method in ("GET", "HEAD"):
        return local_path(address_of(request))
    return _page_of_form(path_of(request), form)


def _page_of_form(path: str, form: Mapping[str, str]) -> str:
    """By what it says itself, else by where it is sent."""
    if local_path(path) == "/":
        return "/"
    organization, *to = path.removeprefix("/o/").split("/")
    root = f"/o/{organization}"
    said = back_to(form.get("back", ""), unquote(organization), otherwise="")
    if said:
        return said
    match to:
        case ["outcomes"] if form.get("account") and form.get("kind") in KINDS:
            return f"{root}/outcomes/{form['kind']}/{quote(form['account'], safe='')}"
        case ["accounts", *account, "primary" | "contacts" | "notes"] if account:
            return f"{root}/accounts/{'/'.join(account)}"
        case ["settings", page, *_] if page in TABS:
            return f"{root}/settings/{page}"
        case ["settings" | "health" as page, *_]:
            return f"{root}/{page}"
        case ["sequences", sequence, *_]:
            return f"{root}/sequences/{sequence}"
        case ["runs"] | ["follow-ups", _]:
            return root
        case _:
            return f"{root}/accounts"


def _is_of(path: str, organization: str) -> bool:
    return re.split(r"[/?]", path)[1:3] == ["o", quote(organization, safe="")]


def _encoded(text: str, safe: str) -> str:
    return quote(STRAY.sub("%25", text), safe=safe)
