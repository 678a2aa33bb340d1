"""`winback skip`: one record that a reader fails on again and again is put aside, and passed by."""

import json
from typing import Annotated

import typer

from shared.errors import FieldError, NotFound, Rejected

app = typer.Typer()


@app.command("skip")
def skip(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="As the log names it.")],
    partition: Annotated[int, typer.Argument(metavar="PARTITION", min=0)],
    offset: Annotated[int, typer.Argument(metavar="OFFSET", min=0)],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Pass by one record that a consumer or the detector cannot take: its bytes go to the dead
    letters, no reader of ours takes it from now on, and the audit log of every organization that it
    names says so. A reader that fails on it goes on within seconds. `winback dead-letters replay`
    brings it back once the cause is mended.

    Example: winback skip orders 3 1204 --reason "ends the detector, see ticket 77"
    """
    from services.signals.actions.actor import COMMAND_LINE, note
    from services.signals.progress.dead_letters import organizations_of
    from services.signals.store import known
    from shared import aside, broker, db, kafka, logs, same_log, skips
    from shared.topics import TOPICS, dead_letters_of

    logs.for_people()
    ours = {one.name for one in TOPICS} | set(kafka.raw_topics())
    if topic not in ours:
        raise Rejected(
            FieldError(field="TOPIC", reason=f"{topic} is none of {', '.join(sorted(ours))}")
        )
    kafka.require_reachable()
    broker.require_own()
    place = (topic, partition)
    there = same_log.look(same_log.admin(), [topic]).topics.get(topic)
    if there is None or partition not in there.ends or not offset < there.ends[partition]:
        raise NotFound(f"no record {topic}/{partition}@{offset}: the log does not reach so far")
    [(_, record)] = same_log.read_at({place: offset})
    if record is None:
        raise NotFound(f"no record {topic}/{partition}@{offset}: it is kept no more")
    why = "skipped by the operator" + (f": {reason}" if reason else "")
    publisher = kafka.Publisher()
    try:
        dead_topic = dead_letters_of(topic)
        at = aside.dead_letter(publisher, record, reason=why, consumer="operator")
        dead = f"{dead_topic}/0/{at}"
        skips.note(
            publisher,
            skips.Skip(
                topic=topic,
                topic_id=there.topic_id,
                partition=partition,
                offset=offset,
                dead_letter=dead,
                by=COMMAND_LINE.name,
                reason=reason,
            ),
        )
    finally:
        publisher.close()
    with db.connect() as connection:
        organizations = sorted(known(connection, organizations_of(record.key, record.value)))
        for organization in organizations:
            note(
                connection,
                organization,
                COMMAND_LINE,
                "record skipped",
                f"{topic}/{partition}@{offset}",
                {"reason": reason, "dead letter": dead},
            )
    if as_json:
        print(json.dumps({"dead_letter": dead, "organizations": organizations}, sort_keys=True))
        return
    print(f"{topic}/{partition}@{offset} is passed by; its bytes are {dead}")
    print(f"noted for {', '.join(organizations) or 'nobody: it names no organization of ours'}")
