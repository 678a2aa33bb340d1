"""People at an account in its drawer: whom to call at its top; the list, in which they are added
and changed, and one of them is chosen as the primary contact.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from services.signals.actions import contacts as actions
from services.signals.console.paths import account_path
from services.signals.store.account import ContactRow
from services.signals.store.contacts import Person
from shared.people import dialled
from shared.wording import plain_name

FIELDS = tuple(actions.READERS)
NEWSLETTERS = (("", "Not known"), ("subscribed", "Subscribed"), ("unsubscribed", "Unsubscribed"))


@dataclass(frozen=True, kw_only=True)
class ContactView:
    """A person at the account. tel, mail: what a press on them opens, empty where nothing can be.
    more: what else is known, in a line. source: where it comes from, where not from records.
    """

    contact: str
    name: str
    title: str
    phone: str
    tel: str
    email: str
    mail: str
    there: str
    more: str
    source: str
    is_primary: bool
    change_path: str


@dataclass(frozen=True, kw_only=True)
class FormView:
    """The form of somebody who is added (`contact` is empty) or changed. edition: of what it
    shows.
    """

    path: str
    contact: str
    once: str
    edition: str
    back: str
    typed: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    is_primary: bool = False
    may_choose: bool = True

    @property
    def title(self) -> str:
        """What it does."""
        return "Change a contact" if self.contact else "Add a contact"


@dataclass(frozen=True, kw_only=True)
class ContactsView:
    """The drawer's contacts. first: whom to call, the primary contact or else whoever is known."""

    first: ContactView | None
    all: list[ContactView]
    form: FormView | None
    add_path: str
    primary_path: str
    path: str


def contacts_view(
    organization: str,
    account: str,
    rows: Sequence[ContactRow],
    *,
    here: str,
    asked: str | None,
    now: datetime,
    form: FormView | None = None,
) -> ContactsView:
    """`here`: the page's address, to which `contact=` is added. `asked`: whose form is open, empty
    for a new one; `form`: one that came back.
    """
    glue = "&" if "?" in here else "?"
    found = [contact_view(row, f"{here}{glue}contact={quote(row.contact)}", now) for row in rows]
    path = f"{account_path(organization, account)}/contacts"
    if form is None and asked is not None:
        form = _form(rows, asked, path=path, back=here)
    return ContactsView(
        first=found[0] if found else None,
        all=found,
        form=form,
        add_path=f"{here}{glue}contact=#contact-form",
        primary_path=f"{account_path(organization, account)}/primary",
        path=path,
    )


def contact_view(row: ContactRow, change_path: str, now: datetime) -> ContactView:
    more = [
        row.language and f"language {row.language}",
        row.zone,
        row.country,
        row.newsletter and f"newsletter {row.newsletter}",
    ]
    return ContactView(
        contact=row.contact,
        name=plain_name(row.name or row.email or row.phone or row.contact),
        title=plain_name(row.title or ""),
        phone=row.phone or "",
        tel=f"tel:{dialled(row.phone)}" if row.phone else "",
        email=plain_name(row.email or ""),
        mail=f"mailto:{quote(row.email, safe='@+')}" if row.email else "",
        there=local_time(row.zone, now),
        more=" · ".join(one for one in more if one),
        source="added here" if row.added_by else "" if row.as_recorded else "changed here",
        is_primary=row.is_primary,
        change_path=f"{change_path}#contact-form",
    )


def local_time(zone: str | None, now: datetime) -> str:
    """What a clock says where they are, so that nobody is called at night."""
    return f"{now.astimezone(ZoneInfo(zone)):%H:%M} there" if zone else ""


def returned(
    organization: str,
    account: str,
    form: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    back: str,
) -> FormView:
    """The form with what was typed and what is wrong with it."""
    return FormView(
        path=f"{account_path(organization, account)}/contacts",
        contact=form.get("contact", ""),
        once=form.get("once", ""),
        edition=form.get("edition", ""),
        back=back,
        typed={name: form.get(name, "") for name in FIELDS},
        errors=errors,
        is_primary=form.get("primary") == "yes",
    )


def _form(rows: Sequence[ContactRow], asked: str, *, path: str, back: str) -> FormView | None:
    """None: there is nobody of that id."""
    row = next((row for row in rows if row.contact == asked), None)
    if row is None and asked:
        return None
    person = (
        Person()
        if row is None
        else Person(**{name: getattr(row, name) for name in Person.__dataclass_fields__})
    )
    return FormView(
        path=path,
        contact=asked,
        once=secrets.token_hex(16),
        edition=actions.edition(person),
        back=back,
        typed={name: getattr(person, name) or "" for name in FIELDS},
        is_primary=row.is_primary if row else not any(one.is_primary for one in rows),
        may_choose=row is None or not row.is_primary,
    )
