"""Owners are people: which member a code of the ERP stands for, and by what name."""

from services.signals.actions.actor import Actor, must_govern, note
from services.signals.actions.members import checked_email, roles
from services.signals.store import organizations, owner_people
from services.signals.store.owner_people import OwnerPerson
from shared import clock, db
from shared.domain.identifiers import wrong_name
from shared.errors import FieldError, Rejected


def set_person(
    connection: db.Connection, organization: str, owner: str, *, name: str, email: str, by: Actor
) -> bool:
    """Whom the code stands for from now on; both empty: nobody. False: it was so already. Raises
    Forbidden, NotFound, and Rejected for a code, a name or an address that cannot be.
    """
    must_govern(by)
    organizations.lock(connection, organization)
    plain_owner, plain_name, plain_email = owner.strip(), name.strip(), email.strip()
    wrong = [
        FieldError(field=field, reason=reason)
        for field, reason in (
            ("owner", wrong_name(plain_owner)),
            ("name", wrong_name(plain_name) if plain_name else None),
        )
        if reason is not None
    ]
    if plain_email:
        try:
            plain_email = checked_email(plain_email)
            if plain_email not in roles(connection, organization):
                wrong.append(FieldError(field="email", reason=f"{plain_email} is no member here"))
        except Rejected as error:
            wrong += error.errors
    if wrong:
        raise Rejected(*wrong)
    person = OwnerPerson(owner=plain_owner, name=plain_name or None, email=plain_email or None)
    was = owner_people.people(connection, organization).get(
        plain_owner, OwnerPerson(owner=plain_owner, name=None, email=None)
    )
    if person == was:
        return False
    owner_people.put(connection, organization, person, at=clock.now(), by=by.name)
    detail = {
        "from": {"name": was.name, "email": was.email},
        "to": {"name": person.name, "email": person.email},
    }
    note(connection, organization, by, "mapped", f"owner {plain_owner}", detail)
    return True
