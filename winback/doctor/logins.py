"""Who may log in to PostgreSQL and what they may do then, as the doctor sees it: a login for each
process that is no superuser and takes on the role of its work alone.
"""

from collections.abc import Iterator
from typing import get_args

from shared import db
from shared.logins import LOGINS, Login, can_log_in
from winback.doctor import logins_store as catalogue
from winback.doctor.findings import Finding, good, judged, note, wrong

SEE = "docs/operations.md: Logins at PostgreSQL."


def look(connection: db.Connection) -> Iterator[Finding]:
    """`connection` is the owner's."""
    found = catalogue.roles(connection, [login.name for login in LOGINS])
    for login in LOGINS:
        yield _login(connection, login, found.get(login.name))
    yield _in_use(connection)
    rights = catalogue.rights_of_everybody(connection)
    yield judged(
        "rights of everybody",
        not rights,
        "who connects without a role of ours may "
        + (", ".join(rights) if rights else "do nothing here"),
        f"REVOKE them from PUBLIC, as the owner of the database. {SEE}",
    )
    open_ = catalogue.open_policies(connection)
    yield judged(
        "policies",
        not open_,
        f"let winback_app, or everybody, see all rows: {', '.join(open_)}"
        if open_
        else "winback_app sees one organization, one address, or what it knows the hash of",
        "Somebody changed them: see 0002_isolation.sql and 0027_found_by_hash.sql, and who did.",
    )
    changeable = catalogue.changeable(
        connection, [*get_args(db.Role), *(login.name for login in LOGINS if login.name in found)]
    )
    yield judged(
        "rows that only grow",
        not changeable,
        f"may be changed or deleted: {', '.join(changeable)}"
        if changeable
        else "no service changes or deletes what is in the audit log",
        "REVOKE UPDATE, DELETE, TRUNCATE on the table from the role.",
    )


def _login(connection: db.Connection, login: Login, role: catalogue.Role | None) -> Finding:
    name = f"login {login.name}"
    if role is None:
        return wrong(name, "is not there", "`winback migrate` makes it.")
    if role.powers or role.owns:
        what = "owns tables" if role.owns else "may do more than its work"
        return wrong(
            name, what, f"ALTER ROLE {login.name} with NOSUPERUSER and so on; it owns nothing."
        )
    if set(role.takes) != set(login.takes) or role.inherits or role.grants:
        return wrong(
            name,
            f"takes on {', '.join(role.takes) or 'nothing'}"
            + (", and inherits it" if role.inherits else "")
            + (", and may grant it" if role.grants else ""),
            f"It is to take on {' and '.join(login.takes)}, and nothing else. {SEE}",
        )
    return _password(connection, login, name)


def _password(connection: db.Connection, login: Login, name: str) -> Finding:
    """A superuser sees whether there is one; else it is tried, where we were told it."""
    verifier = catalogue.verifier(connection, login.name)
    if verifier == "":
        return note(
            name,
            "has no password: its process logs in as the owner",
            f"Set WINBACK_{login.setting.upper()} and `winback migrate`. {SEE}",
        )
    if verifier is not None and not verifier.startswith("SCRAM-SHA-256$"):
        return wrong(name, "its password is kept as MD5", "`winback migrate` gives it as SCRAM.")
    if not login.password:
        return good(name, f"takes on {' and '.join(login.takes)} alone")
    if not can_log_in(login):
        return wrong(
            name, "its password is another one than we were told", "`winback migrate` gives it."
        )
    return good(name, f"takes on {' and '.join(login.takes)} alone, and its password is the one")


def _in_use(connection: db.Connection) -> Finding:
    """As what the processes that run now have logged in."""
    own = {login.process: login.name for login in LOGINS}
    others = sorted(
        f"{process} as {user}"
        for process, user in catalogue.logged_in(connection)
        if user != own.get(process)
    )
    return judged(
        "logins in use",
        not others,
        f"not as their own: {', '.join(others)}"
        if others
        else "every process that is connected came as its own",
        f"Give each process the address of its own login in WINBACK_DATABASE_URL. {SEE}",
    )
