"""Verbs of an installation: migrate, topics, purge, settings-reference."""

import json

import typer

app = typer.Typer(no_args_is_help=True)


@app.command("migrate")
def migrate() -> None:
    """Apply what has not been applied, each migration in one transaction; then give the logins of
    the processes the passwords that WINBACK_…_DATABASE_PASSWORD name. As the database's owner.

    Example: winback migrate
    """
    from shared import db, logins

    applied = db.migrate()
    print("\n".join(f"applied {name}" for name in applied) if applied else "nothing to apply")
    for name in logins.set_passwords():
        print(f"password given to {name}")


@app.command("topics")
def topics(
    adopt: bool = typer.Option(
        False,
        "--adopt",
        help="Kafka was made anew or restored elsewhere on purpose: this cluster is ours now.",
    ),
) -> None:
    """Create the topics that are missing; refuse where a partition count differs, and a broker that
    is of another installation.

    Example: winback topics
    """
    from shared import broker, kafka

    broker.note(adopt=adopt)
    created = kafka.create_topics()
    print("\n".join(f"created {name}" for name in created) if created else "nothing to create")


@app.command("purge")
def purge(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Delete what is older than the terms say: rows of the audit log (WINBACK_AUDIT_KEPT_DAYS) and
    security events (WINBACK_SECURITY_EVENTS_KEPT_DAYS). As the owner: no service may.

    Example: winback purge
    """
    from datetime import timedelta

    from services.signals.store import purge
    from shared import clock, db, security
    from shared.settings import settings

    now = clock.now()
    with db.connect() as connection:
        connection.execute("RESET ROLE")  # the owner's login
        gone = {
            "audit_log": purge.audit_rows(
                connection, now=now, kept=timedelta(days=settings().audit_kept_days)
            ),
            "security_events": security.purge(
                connection, now=now, kept=timedelta(days=settings().security_events_kept_days)
            ),
        }
    said = ", ".join(f"{rows} of {table}" for table, rows in gone.items())
    print(json.dumps(gone) if as_json else f"gone: {said}")


@app.command("settings-reference")
def settings_reference(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Every setting: name, default, what it means. NAME_FILE reads a setting from a file.

    Example: winback settings-reference
    """
    from shared.settings import PREFIX, Settings

    rows = [
        {
            "name": PREFIX + name.upper(),
            "default": str(field.get_default(call_default_factory=True, validated_data={})),
            "description": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['name']}={row['default']}\n    {row['description']}")
