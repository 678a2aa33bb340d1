"""Verbs of tenants: organization, member, sign-in, sessions, token, contact."""

import json
import sys
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(no_args_is_help=True)
organization = typer.Typer(no_args_is_help=True, help="Tenants.")
member = typer.Typer(no_args_is_help=True, help="People of an organization.")
sessions = typer.Typer(no_args_is_help=True, help="Where people are signed in.")
token = typer.Typer(no_args_is_help=True, help="ERP tokens.")
contact = typer.Typer(no_args_is_help=True, help="People at accounts.")
app.add_typer(organization, name="organization")
app.add_typer(member, name="member")
app.add_typer(sessions, name="sessions")
app.add_typer(token, name="token")
app.add_typer(contact, name="contact")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OrganizationId = Annotated[str, typer.Argument(metavar="ORG", help="The organization's id.")]


@organization.command("create")
def create_organization(
    id_: Annotated[str, typer.Argument(metavar="ID", help="a-z, 0-9 and -; never changes.")],
    name: Annotated[str, typer.Option("--name", help="As people read it.")],
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217; all amounts are in it.")],
    timezone: Annotated[str, typer.Option("--timezone", help="IANA name; days are days there.")],
    locale: Annotated[
        str, typer.Option("--locale", help="How its people write numbers and money.")
    ] = "en_US",
    no_schedules: Annotated[
        bool, typer.Option("--no-schedules", help="Nothing runs by itself.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create an organization with default settings, a nightly run at 05:00 and a
    digest on Mondays at 08:00.

    Example: winback organization create acme --name "Acme Pipe" --currency USD
    --timezone America/Chicago
    """
    from services.signals.actions import tenants
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    with db.connect() as connection:
        tenants.create_organization(
            connection,
            id_,
            name=name,
            currency=currency,
            timezone=timezone,
            locale=locale,
            with_schedules=not no_schedules,
            by=COMMAND_LINE,
        )
    print(json.dumps({"organization": id_}) if as_json else f"created {id_}")


@organization.command("set")
def set_organization(
    id_: OrganizationId,
    locale: Annotated[
        str, typer.Option("--locale", help="How its people write numbers and money.")
    ],
) -> None:
    """Change how an organization writes numbers and money: what is typed is read that way from now
    on.

    Example: winback organization set acme --locale de_DE
    """
    from services.signals.actions import tenants
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    with db.connect() as connection:
        known = tenants.set_locale(connection, id_, locale, by=COMMAND_LINE)
    print(f"{id_} writes numbers as in {known}")


@organization.command("list")
def list_organizations(as_json: AsJson = False) -> None:
    """List all organizations.

    Example: winback organization list
    """
    from services.signals.store import organizations
    from shared import db

    with db.connect() as connection:
        found = organizations.all_organizations(connection)
    rows = [
        {
            "organization": o.organization,
            "name": o.name,
            "currency": o.currency,
            "timezone": o.timezone,
            "locale": o.locale,
        }
        for o in found
    ]
    _print_rows(rows, as_json)


@organization.command("delete")
def delete_organization(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The organization's id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Really.")] = False,
) -> None:
    """Delete an organization: all its rows, and its accounts and contacts in Kafka. The
    id is never used again.

    Example: winback organization delete acme --yes
    """
    from services.signals.actions import tenants
    from services.signals.actions.actor import COMMAND_LINE
    from services.signals.store import organizations
    from shared import db

    with db.connect() as connection:
        found = organizations.find(connection, id_)
        if not yes:
            _refuse(f"this deletes {found.name} with all its orders and signals; say --yes")
        tenants.delete_organization(connection, id_, by=COMMAND_LINE)
    print(f"deleted {id_}")


@member.command("add")
def add_member(
    id_: OrganizationId,
    email: Annotated[str, typer.Argument(help="Where digests and sign-in links go.")],
    role: Annotated[str, typer.Option("--role", help="owner, admin or member.")] = "member",
    digest: Annotated[
        bool, typer.Option("--digest/--no-digest", help="Make them a recipient of the digest.")
    ] = True,
) -> None:
    """Add a member, or change the role of one.

    Example: winback member add acme ana@example.com --role owner
    """
    from services.signals.actions import members
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    if role not in members.ROLES:
        _refuse(f"--role must be one of {', '.join(members.ROLES)}")
    with db.connect() as connection:
        plain = members.add(connection, id_, email, role, by=COMMAND_LINE, with_digest=digest)
    print(f"{plain} is {role} of {id_}")


@member.command("remove")
def remove_member(
    id_: OrganizationId, email: Annotated[str, typer.Argument(help="Whose membership ends.")]
) -> None:
    """Remove a member; digests stop too, and who is a member nowhere else is signed out. The last
    owner stays.

    Example: winback member remove acme ana@example.com
    """
    from services.signals.actions import members
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    plain = members.checked_email(email)
    with db.connect() as connection:
        members.remove(connection, id_, plain, by=COMMAND_LINE)
    print(f"{plain} is no member of {id_} any more")


@member.command("owner")
def map_owner(
    id_: OrganizationId,
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="As the ERP has it.")],
    email: Annotated[str, typer.Option("--email", help="The member whom it stands for.")] = "",
    name: Annotated[str, typer.Option("--name", help="As people read it.")] = "",
) -> None:
    """Say which member an owner's code stands for; without either it stands for nobody.

    Example: winback member owner acme dk --email dana@acme.example --name "Dana King"
    """
    from services.signals.actions import owner_people
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    with db.connect() as connection:
        owner_people.set_person(connection, id_, owner, name=name, email=email, by=COMMAND_LINE)
    print(f"{owner} is {name or email or 'nobody'}")


@member.command("owners")
def list_owners(id_: OrganizationId, as_json: AsJson = False) -> None:
    """Which member each mapped owner's code stands for.

    Example: winback member owners acme
    """
    from services.signals.store import organizations, owner_people
    from shared import db

    with db.connect() as connection:
        organizations.find(connection, id_)
        found = owner_people.people(connection, id_)
    for one in found.values():
        row = {"owner": one.owner, "name": one.name, "email": one.email}
        print(json.dumps(row) if as_json else f"{one.owner}  {one.name or ''}  {one.email or ''}")


@member.command("list")
def list_members(id_: OrganizationId, as_json: AsJson = False) -> None:
    """List members and their roles.

    Example: winback member list acme
    """
    from services.signals.store import organizations
    from shared import db

    with db.connect() as connection:
        organizations.find(connection, id_)
        found = organizations.members(connection, id_)
    _print_rows([{"email": email, "role": role} for email, role, _ in found], as_json)


@app.command("sign-in")
def sign_in(
    email: Annotated[str, typer.Argument(help="A member's address.")], as_json: AsJson = False
) -> None:
    """Print a one-time address that signs a member in; it works for ten minutes.

    Example: winback sign-in ana@example.com
    """
    from services.signals.actions.sign_in import make_link
    from shared import db
    from shared.settings import settings

    with db.connect() as connection:
        address = make_link(connection, email, settings().base_url)
    print(json.dumps({"address": address}) if as_json else address)


@sessions.command("end")
def end_sessions(
    email: Annotated[str, typer.Argument(help="Whose sessions end.")],
    unpin: Annotated[
        bool,
        typer.Option(
            "--unpin",
            help="Let the provider name another account of theirs at the next sign-in.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """End all sessions of a person, and make links void that were not used. Memberships stay: they
    may sign in again. `person` is their name in the security lines of the logs.

    Example: winback sessions end ana@example.com
    """
    from services.signals.actions import members
    from services.signals.actions import sign_in as actions
    from shared import db, security

    plain = members.checked_email(email)
    with db.connect() as connection:
        ended = actions.sign_out_everywhere(connection, plain)
        if unpin:
            actions.forget_provider(connection, plain)
    person = security.name_in_logs(plain)
    if as_json:
        print(json.dumps({"sessions": ended.sessions, "links": ended.links, "person": person}))
    else:
        print(f"ended: {ended.sessions} sessions, {ended.links} links; in logs: {person}")


@token.command("create")
def create_token(
    id_: OrganizationId,
    name: Annotated[str, typer.Option("--name", help="Which system uses it.")],
    scopes: Annotated[
        str,
        typer.Option(
            "--scope",
            "--scopes",
            help="orders:write, accounts:write, contacts:write, signals:read.",
        ),
    ] = "orders:write,accounts:write,contacts:write",
    as_json: AsJson = False,
) -> None:
    """Create a token. It is shown once: only its hash is kept.

    Example: winback token create acme --name erp --scope orders:write,accounts:write
    """
    from services.signals.actions import tokens
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    with db.connect() as connection:
        created = tokens.create(connection, id_, name=name, scopes=wanted, by=COMMAND_LINE)
    print(json.dumps({"token": created}) if as_json else created)


@token.command("list")
def list_tokens(id_: OrganizationId, as_json: AsJson = False) -> None:
    """List tokens: names and scopes, not what opens.

    Example: winback token list acme
    """
    from services.signals.store import organizations
    from shared import db

    with db.connect() as connection:
        organizations.find(connection, id_)
        found = organizations.tokens(connection, id_)
    rows = [
        {
            "name": t.name,
            "scopes": ",".join(t.scopes),
            "revoked_at": t.revoked_at.isoformat() if t.revoked_at else None,
        }
        for t in found
    ]
    _print_rows(rows, as_json)


@token.command("revoke")
def revoke_token(
    id_: OrganizationId, name: Annotated[str, typer.Argument(help="The token's name.")]
) -> None:
    """Revoke a token; ingest refuses it within seconds.

    Example: winback token revoke acme erp
    """
    from services.signals.actions import tokens
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    with db.connect() as connection:
        tokens.revoke(connection, id_, name, by=COMMAND_LINE)
    print(f"revoked {name}")


@contact.command("erase")
def erase_contact(
    id_: OrganizationId,
    contact_id: Annotated[str, typer.Argument(metavar="CONTACT", help="The ERP's id.")],
) -> None:
    """Erase a person: the row, what sequences wrote about and to them, and the record in Kafka.

    Example: winback contact erase acme C-1042
    """
    from services.signals.actions import contacts
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db
    from shared.errors import NotFound

    with db.connect() as connection:
        found = contacts.erase(connection, id_, contact_id, by=COMMAND_LINE)
    if not found:
        raise NotFound(
            f"{id_} has no contact {contact_id} here; its record in Kafka is erased all the same"
        )
    print(f"erased {contact_id}")


def _refuse(reason: str) -> NoReturn:
    print(f"winback: {reason}", file=sys.stderr)
    raise typer.Exit(2)


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """One JSON array, or columns."""
    if as_json:
        print(json.dumps(rows))
        return
    texts = [[str(value) if value is not None else "" for value in row.values()] for row in rows]
    widths = (
        [max(len(line[column]) for line in texts) for column in range(len(texts[0]))]
        if texts
        else []
    )
    for line in texts:
        print(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        )
