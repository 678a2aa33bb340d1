"""Verbs of sequences and of how an organization sends: what the pages do, by the same actions."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from services.signals.store.sequence_people import PersonRow
    from services.signals.store.sequences import SequenceRow

app = typer.Typer(no_args_is_help=True)
sequences = typer.Typer(no_args_is_help=True, help="Drafts, and what is sent from them.")
sending = typer.Typer(no_args_is_help=True, help="How an organization sends letters.")
app.add_typer(sequences, name="sequences")
app.add_typer(sending, name="sending")

Organization = Annotated[str, typer.Option("--organization", help="The organization's id.")]
Id = Annotated[str, typer.Argument(help="The sequence's id, as `sequences list` has it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
STATES = ("draft", "launched", "paused", "finished", "archived")


@sequences.command("list")
def list_(
    organization: Organization,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only these; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The newest 50 sequences, with how many are in each.

    Example: winback sequences list --organization acme --state draft --json
    """
    from services.signals.store import organizations
    from services.signals.store import sequences as store
    from shared import db
    from shared.errors import FieldError, Rejected

    unknown = [one for one in state or () if one not in STATES]
    if unknown:
        reason = f"must be one of {', '.join(STATES)}"
        raise Rejected(FieldError(field="--state", reason=reason))
    with db.connect() as connection:
        organizations.find(connection, organization)
        rows = store.newest(connection, organization, states=state or STATES)
    for row in rows:
        if as_json:
            print(json.dumps(_sequence(row), sort_keys=True))
        else:
            print(
                f"{row.sequence}  {row.state:<9}{row.name}: {row.enrolled} enrolled, "
                f"{row.is_open} open, {row.skipped} skipped"
            )


@sequences.command("show")
def show(organization: Organization, sequence: Id, as_json: AsJson = False) -> None:
    """One sequence: its steps, what came of them, and of each person the state and why the next
    letter does not leave yet. Of a draft: what the launch would ask.

    Example: winback sequences show 70f9aab5-6b93-57c7-93ca-4eb33dcfa223 --organization acme --json
    """
    from services.signals.actions import sequences as actions
    from services.signals.store import organizations, sequence_people
    from services.signals.store import sequences as store
    from shared import db
    from shared.errors import NotFound

    with db.connect() as connection:
        organizations.find(connection, organization)
        row = store.find(connection, organization, sequence)
        if row is None:
            raise NotFound(f"{organization} has no sequence {sequence}")
        steps = store.steps(connection, organization, sequence)
        funnel = {
            one.step: one for one in sequence_people.funnel(connection, organization, sequence)
        }
        people = sequence_people.people(connection, organization, sequence, first=0, most=10_000)
        ready = (
            actions.readiness(connection, organization, row, sender=row.sender)
            if row.state == "draft"
            else None
        )
    said: dict[str, Any] = _sequence(row) | {
        "steps": [
            {
                "step": number,
                "wait_days": step.wait_days,
                "subject": step.subject,
                "text": step.text,
                "sent": funnel[number].sent,
                "replied": funnel[number].replied,
                "ordered": funnel[number].ordered,
                "undeliverable": funnel[number].undeliverable,
                "opted_out": funnel[number].opted_out,
            }
            for number, step in enumerate(steps, start=1)
        ],
        "people": [_person(one) for one in people],
    }
    if ready is not None:
        said["checks"] = [
            {"check": one.name, "right": one.is_right, "blocks": one.blocks, "says": one.says}
            for one in ready.checks
        ]
        said["would_skip"] = [
            {"account": one.account, "reason": reason} for one, reason in ready.skipped
        ]
    if as_json:
        print(json.dumps(said, sort_keys=True))
        return
    print(f"{row.name} ({row.state})")
    for step in said["steps"]:
        print(f"  step {step['step']}: {step['subject'] or '(in the thread)'}: {step['sent']} sent")
    for check in said.get("checks", []):
        mark = "ok" if check["right"] else "no" if check["blocks"] else "note"
        print(f"  {mark:<5}{check['check']}: {check['says']}")
    for one in said["people"]:
        why = one["reason"] or (one["waits"] or {}).get("why") or ""
        print(f"  {one['account']:<16}{one['state']:<9}{one['sent']} sent  {why}")


@sequences.command("launch")
def launch(
    organization: Organization,
    sequence: Id,
    sender: Annotated[
        str | None,
        typer.Option(
            "--sender", help="The member whose address letters bear where an owner has none."
        ),
    ] = None,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", help="What you checked and stand for: letters' {confirmed}."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write to its contacts from now on. The first letters leave after two minutes at the soonest;
    exit code 2 names every check that says no.

    Example: winback sequences launch 70f9aab5-6b93-57c7-93ca-4eb33dcfa223 --organization acme \
--sender rs@acme.example
    """
    from services.signals.actions import sequences as actions
    from services.signals.actions.actor import COMMAND_LINE
    from services.signals.store import organizations
    from services.signals.store import sequences as store
    from shared import db
    from shared.errors import NotFound

    with db.connect() as connection:
        organizations.find(connection, organization)
        if dry_run:
            row = store.find(connection, organization, sequence)
            if row is None:
                raise NotFound(f"{organization} has no sequence {sequence}")
            chosen = sender or row.sender
            ready = actions.readiness(connection, organization, row, sender=chosen)
            said: dict[str, Any] = {
                "launched": False,
                "contacts": len(ready.goes),
                "checks": [
                    {"check": one.name, "right": one.is_right, "says": one.says}
                    for one in ready.checks
                ],
            }
        else:
            done = actions.launch(
                connection,
                organization,
                sequence,
                by=COMMAND_LINE,
                sender=sender,
                confirmed=confirm,
            )
            said = {"launched": True, "contacts": done.contacts, "sequence": sequence}
    if as_json:
        print(json.dumps(said, sort_keys=True))
    elif dry_run:
        for one in said["checks"]:
            print(f"{'ok' if one['right'] else 'no':<4}{one['check']}: {one['says']}")
    else:
        print(f"launched to {said['contacts']} contacts")


@sequences.command("pause")
def pause(organization: Organization, sequence: Id, as_json: AsJson = False) -> None:
    """Nothing more leaves until it is resumed.

    Example: winback sequences pause 70f9aab5-6b93-57c7-93ca-4eb33dcfa223 --organization acme
    """
    _moved(organization, sequence, "pause", as_json)


@sequences.command("resume")
def resume(organization: Organization, sequence: Id, as_json: AsJson = False) -> None:
    """What was paused goes on; the checks of the launch are asked again.

    Example: winback sequences resume 70f9aab5-6b93-57c7-93ca-4eb33dcfa223 --organization acme
    """
    _moved(organization, sequence, "resume", as_json)


@sequences.command("archive")
def archive(organization: Organization, sequence: Id, as_json: AsJson = False) -> None:
    """Put it away; who is still written to is stopped, and there is no way back. A draft can be
    brought back in the console.

    Example: winback sequences archive 70f9aab5-6b93-57c7-93ca-4eb33dcfa223 --organization acme
    """
    _moved(organization, sequence, "archive", as_json)


@sending.command("get")
def get(organization: Organization) -> None:
    """Print how the organization sends, as JSON.

    Example: winback sending get --organization acme > sending.json
    """
    import msgspec

    from services.signals.actions import launching
    from services.signals.store import organizations
    from shared import db

    with db.connect() as connection:
        organizations.find(connection, organization)
        found = launching.sending_settings(connection, organization)
    print(json.dumps(msgspec.to_builtins(found), indent=1))


@sending.command("set")
def set_(
    organization: Organization,
    file: Annotated[
        str, typer.Argument(help="JSON; keys left out keep their value. - is standard input.")
    ] = "-",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would change, and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Change how the organization sends.

    Example: echo '{"replies": "by_hand"}' | winback sending set --organization acme
    """
    from services.signals.actions import sending as actions
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db
    from shared.errors import FieldError, Rejected

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        patch: Any = json.loads(text)
    except (OSError, ValueError) as error:
        raise Rejected(
            FieldError(field=file, reason=f"is no JSON that can be read: {error}")
        ) from None
    with db.connect() as connection:
        changes = actions.save(connection, organization, patch, by=COMMAND_LINE, dry_run=dry_run)
    if as_json:
        said = {change.key: {"from": change.old, "to": change.new} for change in changes}
        print(json.dumps({"changed": said}, sort_keys=True))
        return
    for change in changes:
        print(f"{change.key}: {json.dumps(change.old)} -> {json.dumps(change.new)}")
    if not changes:
        print("nothing changes")


@sending.command("allow")
def allow(
    organization: Organization,
    domain: Annotated[str, typer.Argument(help="Such as example.com.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
) -> None:
    """Let letters of the organization bear addresses at a domain; the operator says so.

    Example: winback sending allow example.com --organization acme
    """
    from services.signals.actions import sending as actions
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    act = actions.disallow_domain if undo else actions.allow_domain
    with db.connect() as connection:
        changed = act(connection, organization, domain, by=COMMAND_LINE)
    print(("disallowed" if undo else "allowed") if changed else "it was so already")


@sending.command("vouch")
def vouch(
    organization: Organization,
    email: Annotated[str, typer.Argument(help="A member's address.")],
) -> None:
    """Say that an address is the member's own. They can show it themselves, by a link that is
    mailed to them (Settings, Sending).

    Example: winback sending vouch rs@acme.example --organization acme
    """
    from services.signals.actions import sending as actions
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    with db.connect() as connection:
        actions.vouch(connection, organization, email, by=COMMAND_LINE)
    print(f"letters may bear {email}")


@sending.command("go-on")
def go_on(
    organization: Organization,
    sender: Annotated[
        str, typer.Option("--sender", help="The sender that is paused; none is all of them.")
    ] = "",
) -> None:
    """End the pause that a guard made: the reason is mended.

    Example: winback sending go-on --organization acme --sender rs@acme.example
    """
    from services.signals.actions import sending as actions
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    with db.connect() as connection:
        actions.go_on(connection, organization, sender, by=COMMAND_LINE)
    print("letters leave again")


def _moved(organization: str, sequence: str, move: str, as_json: bool) -> None:
    from services.signals.actions import sequences as actions
    from services.signals.actions.actor import COMMAND_LINE
    from services.signals.store import organizations
    from shared import db
    from shared.domain.sequence_states import DONE

    with db.connect() as connection:
        organizations.find(connection, organization)
        if move == "resume":
            row = actions.resume(connection, organization, sequence, by=COMMAND_LINE)
            done = DONE["resume"]
        else:
            wanted = next(one for one in actions.SIMPLE if one == move)
            row = actions.move(connection, organization, sequence, wanted, by=COMMAND_LINE)
            done = DONE[wanted]
    if as_json:
        print(json.dumps({"sequence": sequence, "was": row.state, "done": done}, sort_keys=True))
    else:
        print(f"{done}: {row.name}")


def _sequence(row: "SequenceRow") -> dict[str, Any]:
    return {
        "sequence": row.sequence,
        "name": row.name,
        "signal_type": row.signal_type,
        "state": row.state,
        "drafted_at": row.drafted_at.isoformat(),
        "launched_at": row.launched_at.isoformat() if row.launched_at else None,
        "launched_by": row.launched_by,
        "sender": row.sender,
        "asked_by": row.asked_by,
        "enrolled": row.enrolled,
        "open": row.is_open,
        "skipped": row.skipped,
        "replied": row.replied,
        "ordered": row.ordered,
    }


def _person(row: "PersonRow") -> dict[str, Any]:
    return {
        "account": row.account,
        "contact": row.contact,
        "email": row.email,
        "state": row.state,
        "reason": row.reason,
        "sent": row.sent,
        "next_step": row.next_step,
        "next_at": row.next_at.isoformat() if row.next_at else None,
        "waits": row.waits,
        "sender": row.sender,
        "stopped_at": row.stopped_at.isoformat() if row.stopped_at else None,
    }
