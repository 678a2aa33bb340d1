"""`winback dead-letters`: what a consumer could not read, with the reason, and the
way back (`shared.dead_letters`).
"""

import base64
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.errors import FieldError, Rejected

if TYPE_CHECKING:
    from shared.dead_letters import DeadLetter, PutBack

NOT_THERE = 3  # exit code
TOKEN_BEGINNING = len("Bearer wb_1234")  # enough to tell which token it was

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="What could not be read: list, show, replay."
)

Topic = Annotated[
    str | None, typer.Option(metavar="TOPIC", help="Only those of this topic (orders, signals, …).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(topic: Topic = None, as_json: AsJson = False) -> None:
    """Every dead letter that is kept (30 days): its id, where it came from, when, why, and whether
    it was replayed.

    Example: winback dead-letters list --topic orders
    """
    from shared import db, dead_letters

    with db.connect() as connection:
        replayed = {place: at.isoformat() for place, at in dead_letters.replays(connection).items()}
    rows = [
        as_json_of(letter) | {"replayed_at": replayed.get(letter.place)}
        for letter in dead_letters.read_all(topic)
    ]
    if as_json:
        print(json.dumps(rows, indent=1, sort_keys=True))
        return
    for row in rows:
        again = f"  replayed {row['replayed_at']}" if row["replayed_at"] else ""
        cut = f"  cut: {row['cut']}" if row["cut"] else ""
        print(
            f"{row['id']}  {row['at']}  "
            f"{row['topic']}/{row['partition']}@{row['offset']}{cut}{again}"
        )
        print(f"    {visible(row['reason'])}")
    print(f"{len(rows)} dead letters" if rows else "no dead letters")


@app.command("show")
def show(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="TOPIC/PARTITION/OFFSET, as `list` prints it.")
    ],
    as_json: AsJson = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the original bytes alone, as they came.")
    ] = False,
) -> None:
    """One dead letter: the reason, its headers, the original bytes (what is no text is escaped;
    --json has it in base64). Of a token only its beginning is shown; `replay` sends it whole.

    Example: winback dead-letters show orders-dead/0/12
    """
    from shared import dead_letters

    letter = dead_letters.read_one(id_)
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
        return
    if as_json:
        encoded = {"key_base64": _base64(letter.key), "value_base64": _base64(letter.value)}
        headers = [[name, shown(name, value)] for name, value in letter.headers]
        print(
            json.dumps(
                as_json_of(letter) | encoded | {"headers": headers}, indent=1, sort_keys=True
            )
        )
        return
    print(f"{letter.id}  from {letter.topic}/{letter.partition}@{letter.offset}")
    print(f"{letter.at}  {letter.consumer}: {visible(letter.reason)}")
    if letter.cut and not letter.record_sha256:
        print(
            "The record could not be unpacked: nothing of it is here, and its sender has to send "
            "it again, smaller."
        )
    elif letter.cut:
        print(
            f"cut, since it fitted nowhere: {letter.cut}. The value has {letter.size:,} bytes, "
            f"SHA-256 {letter.sha256}."
        )
        print(
            "`winback dead-letters replay` takes the whole record from where it came from, while "
            "it is kept there."
        )
    for name, value in letter.headers:
        print(f"{visible(name)}: {visible(shown(name, value))}")
    if letter.key is not None:
        print(f"key: {visible(letter.key.decode(errors='backslashreplace'))}")
    print()
    print(
        "(no value: a tombstone)"
        if letter.value is None
        else visible(letter.value.decode(errors="backslashreplace"))
    )


def shown(name: str, value: bytes) -> str:
    """A header for eyes; of one that lets somebody in no more than its beginning."""
    text = value.decode(errors="backslashreplace")
    return f"{text[:TOKEN_BEGINNING]}…" if name.lower() == "authorization" else text


@app.command("replay")
def replay(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="TOPIC/PARTITION/OFFSET, as `list` prints it."),
    ] = None,
    topic: Topic = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters of all topics.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also those that were replayed before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the original records back where they came from: same topic, partition, key, headers and
    bytes; once each. Of one that was cut the whole is taken from where it came from. Exit code 3:
    the whole of one is kept no more.

    Example: winback dead-letters replay orders-dead/0/12
    """
    from shared import broker, db, dead_letters
    from shared.kafka import Publisher

    if sum((bool(ids), topic is not None, every)) != 1:
        raise Rejected(FieldError(field="replay", reason="say which: ids, --topic TOPIC, or --all"))
    letters = (
        [dead_letters.read_one(id_) for id_ in ids] if ids else list(dead_letters.read_all(topic))
    )
    broker.require_own()
    publisher = Publisher(extra=dead_letters.PUTS_BACK)
    try:
        with db.connect() as connection:
            done = [
                (letter, dead_letters.put_back(connection, publisher, letter, again=again))
                for letter in letters
            ]
    finally:
        publisher.close()
    results = [
        {"id": letter.id, "status": put.status}
        | ({"to": put.to} if put.to else {})
        | ({"why": put.why} if put.why else {})
        for letter, put in done
    ]
    if as_json:
        print(json.dumps(results, indent=1, sort_keys=True))
    else:
        for letter, put in done:
            print(f"{letter.id}  {put.status}{said_of(put)}")
        if not results:
            print("no dead letters")
    if any(put.why for _, put in done):
        raise typer.Exit(NOT_THERE)


def said_of(put: "PutBack") -> str:
    """The end of its line."""
    if put.why:
        return f": {visible(put.why)}"
    return f" {put.to}" if put.to else "; --again does it once more"


def as_json_of(letter: "DeadLetter") -> dict[str, Any]:
    """Without the bytes: what `list` prints."""
    return {
        "id": letter.id,
        "topic": letter.topic,
        "organization": letter.organization or None,
        "partition": letter.partition,
        "offset": letter.offset,
        "at": letter.at,
        "consumer": letter.consumer,
        "reason": letter.reason,
        "ends": letter.ends,
        "cut": letter.cut,
        "size": letter.size,
        "sha256": letter.sha256,
    }


def visible(text: str) -> str:
    """`text` with control characters escaped: bytes from outside must not steer
    the operator's terminal.
    """
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
