"""Views of the accounts table that get a name: everybody saves their own, and some for everybody in
the organization. Whoever saved a view for everybody takes it away again, and so do owners and
admins.
"""

from urllib.parse import parse_qs

from services.signals.actions.actor import Actor, Forbidden, note
from services.signals.store import saved_views
from services.signals.store.saved_views import EVERYBODY, MOST, SavedView
from shared import clock, db
from shared.domain.identifiers import wrong_name
from shared.errors import FieldError, NotFound, Rejected
from shared.ids import derived
from shared.wording import plain_name

LONGEST_NAME = 60
NOT_YOURS = "only who saved it for everybody, an owner or an admin deletes this view"


def save(
    connection: db.Connection,
    organization: str,
    *,
    name: str,
    query: str,
    for_everybody: bool,
    by: Actor,
) -> SavedView:
    """`query`: of the table's address, without its question mark. Under a name that is there
    already it takes that view's place. Raises Rejected. Only a view for everybody is noted in the
    audit log.
    """
    wrong = wrong_name(name) or (
        f"is longer than {LONGEST_NAME} characters" if len(name) > LONGEST_NAME else None
    )
    if wrong is not None:
        raise Rejected(FieldError(field="name", reason=f"a view's name {wrong}"))
    member = EVERYBODY if for_everybody else by.name
    view = SavedView(
        view=derived("view", organization, member, name.lower()),
        member=member,
        name=name,
        query=query,
        saved_by=by.name,
    )
    if for_everybody and not _may_replace(connection, organization, view, by):
        reason = f"{plain_name(name)} is somebody else's view for everybody"
        raise Rejected(FieldError(field="name", reason=reason))
    if not saved_views.save(connection, organization, view, at=clock.now()):
        reason = f"there are {MOST} views already; delete one first"
        raise Rejected(FieldError(field="name", reason=reason))
    if for_everybody:
        _note(connection, organization, by, "saved", view)
    return view


def delete(connection: db.Connection, organization: str, view: str, *, by: Actor) -> SavedView:
    """Take a view out of the menu. Raises NotFound, Forbidden."""
    found = saved_views.find(connection, organization, view, member=by.name)
    if found is None:
        raise NotFound(f"no view {view}")
    if not may_delete(found, by):
        raise Forbidden(NOT_YOURS)
    saved_views.delete(connection, organization, view)
    if found.member == EVERYBODY:
        _note(connection, organization, by, "deleted", found)
    return found


def may_delete(view: SavedView, by: Actor) -> bool:
    """Whose it is, who saved it, and who governs."""
    return by.name in (view.member, view.saved_by) or by.governs


def _may_replace(connection: db.Connection, organization: str, view: SavedView, by: Actor) -> bool:
    there = saved_views.find(connection, organization, view.view, member=by.name)
    return there is None or may_delete(there, by)


def _note(
    connection: db.Connection, organization: str, by: Actor, action: str, view: SavedView
) -> None:
    detail = {"query": parse_qs(view.query)}
    note(connection, organization, by, action, f"view {view.name}", detail)
