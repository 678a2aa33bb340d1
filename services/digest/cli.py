"""`winback digest preview|send`: the latest complete run's digest, to look at or to send now."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from services.digest.edition import Edition

app = typer.Typer(no_args_is_help=True)

SEND_SECONDS = 60.0

Organization = Annotated[str, typer.Option("--organization", help="Whose digest.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", help="Write the HTML to this file.")]
TextFile = Annotated[Path | None, typer.Option("--text", help="Write the plain text to this file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("preview")
def preview(
    organization: Organization,
    html: HtmlFile = None,
    text: TextFile = None,
    as_json: AsJson = False,
) -> None:
    """The digest of the latest complete run, as it would be sent now. Without such a run: a
    heartbeat that says so.

    Example: winback digest preview --organization acme --html digest.html
    """
    from services.digest import handlers, store
    from shared import clock, db
    from shared.errors import NotFound

    now = clock.now()
    with db.connect() as connection:
        run = store.latest_run(connection, organization)
        facts = store.facts(connection, organization, run=run.number if run else None, at=now)
        if facts is None:
            raise NotFound(f"no organization {organization}")
        sent = store.digest_of_run(connection, organization, run.number) if run else None
        drafts = handlers.drafts_of(organization, sent) if sent else {}
        edition = handlers.edition_of(
            connection,
            facts,
            handlers.occasion(now, handlers.next_digest_at(facts, after=now), drafts),
            why=handlers.NO_RUN,
        )
    _write(edition, html, text)
    if as_json:
        print(json.dumps(_json(edition), indent=1, sort_keys=True, ensure_ascii=False))
    elif html is None and text is None:
        print(f"Subject: {edition.rendered.subject}\n\n{_personal(edition).text}", end="")


@app.command("send")
def send(
    organization: Organization,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="One address, by hand, instead of the organization's recipients."
        ),
    ] = None,
    html: HtmlFile = None,
    text: TextFile = None,
    as_json: AsJson = False,
) -> None:
    """Send it now, to the organization's recipients with fresh drafts, or to one address without;
    waits for the outbox.

    Exit code 1 where somebody did not get it, 3 where the mail server is not there.

    Example: winback digest send --organization acme --to me@example.com
    """
    from services.digest import by_hand
    from shared import logs, mail

    logs.for_people()
    address = mail.checked_address(to) if to else None
    planned, mails = by_hand.send_now(organization, address, timeout_seconds=SEND_SECONDS)
    _write(planned.edition, html, text)
    if as_json:
        listed = [{"email": one.email, "state": one.state, "answer": one.answer} for one in mails]
        answer = {"digest": planned.digest, "mails": listed} | _json(planned.edition)
        print(json.dumps(answer, indent=1, sort_keys=True, ensure_ascii=False))
    else:
        print(planned.edition.rendered.subject)
        for one in mails:
            print(
                f"{one.state:<10} "
                f"{one.email}{f': {one.answer}' if one.answer and one.state != 'sent' else ''}"
            )
        if not mails:
            print("nobody to send it to: the organization has no recipients")
    if not any(one.state == "sent" for one in mails) or any(
        one.state not in ("sent", "suppressed") for one in mails
    ):
        raise typer.Exit(1)


def _write(edition: "Edition", html: Path | None, text: Path | None) -> None:
    own = _personal(edition)
    if html is not None:
        html.write_text(own.html, encoding="utf-8")
    if text is not None:
        text.write_text(own.text, encoding="utf-8")


def _personal(edition: "Edition") -> Any:
    """For nobody: there is nothing to unsubscribe from."""
    from shared.settings import settings

    return edition.rendered.personal(why="A preview", unsubscribe_url=settings().base_url)


def _json(edition: "Edition") -> dict[str, Any]:
    from services.digest import handlers, shown

    return (
        shown.no_digest_json(handlers.NO_RUN)
        if edition.digest is None
        else shown.digest_json(edition.digest)
    )
