"""What runs, in order: the command of each part, its settings, how to ask whether it is ready, and
where people find it.
"""

import json
import os
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from shared.logins import LOGINS, Login
from shared.settings import PREFIX
from winback.stack import kafka, kept, postgres, probes
from winback.stack.home import Home
from winback.stack.ports import choose, moves

HOST = probes.HOST
DATABASE_URL = "WINBACK_DATABASE_URL"
PYTHON = (sys.executable, "-P", "-m")

SERVICES = ("ingest", "detector", "signals", "console", "clock", "digest", "sequences", "mail")
REPLIES_DOMAIN = "replies.winback.test"  # the mail sink hands on what is sent there
LASTING = Path("/var/tmp")  # noqa: S108 - mkdtemp makes a folder there that nobody else could have made


@dataclass(frozen=True, kw_only=True)
class Part:
    """One supervised process. `drain_seconds`: how long it may take to end after
    SIGTERM before it is killed.
    """

    name: str
    command: tuple[str, ...]
    probe: probes.Probe
    url: str
    ports: tuple[int, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    drain_seconds: float = 30.0
    stop_signal: str = "SIGTERM"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a supervisor starts: the infrastructure side by side; when it is ready the schema,
    which ends; then the services. `env`: settings of all of them; `owner`: those of the schema and
    of verbs alone, which no service is given.
    """

    infrastructure: list[Part]
    schema: Part
    services: list[Part]
    env: dict[str, str]
    ports: dict[str, int]
    postgres_folder: Path
    moves: list[str] = field(default_factory=list)  # what is not where one would look for it
    owner: dict[str, str] = field(default_factory=dict)


def plan(
    home: Home,
    *,
    with_services: bool = True,
    any_ports: bool = False,
    move_ports: bool = False,
    fsync: bool = True,
    without: Collection[str] = (),
) -> Plan:
    """The whole stack in `home`, but for the services `without`, where it was last time if that is
    still possible.
    """
    before = home.state()
    data = postgres_folder(home, before.get("postgres_folder"))
    require_what_was_kept(home, data)
    known = before.get("ports", {})
    if "mail" in known and "mailbox" not in known:  # the sink's page, of a version before the door
        known = {name: port for name, port in known.items() if name != "mail"} | {
            "mailbox": known["mail"]
        }
    ports = choose(known, any_free=any_ports, move=move_ports)
    disks = json.dumps({"kafka": str(home.path / "kafka"), "postgres": str(data)})
    env = environment(home, ports) | {"WINBACK_WATCHED_DISKS": disks}
    return Plan(
        infrastructure=infrastructure(home, ports, data=data, fsync=fsync),
        schema=Part(
            name="schema",
            command=(*PYTHON, "winback.stack.schema"),
            probe=probes.never,
            url="",
            env=of_owner(home, ports),
        ),
        services=[part for part in services(home, ports) if part.name not in without]
        if with_services
        else [],
        env=env,
        ports=ports,
        postgres_folder=data,
        moves=[] if any_ports else moves(ports, known),
        owner=of_owner(home, ports),
    )


def require_what_was_kept(home: Home, postgres_data: Path) -> None:
    """Raises Misconfigured, with what is gone."""
    kept.require(home.path / "kafka" / "data", home.made("kafka"))
    for file in (postgres_data / "data", home.path / "secret", home.path / "database-password"):
        kept.require(file, home.made("postgres"))


def postgres_folder(home: Home, previous: str | None) -> Path:
    """In the home, unless we are root and PostgreSQL's user cannot get there: then in the machine's
    temporary folder.
    """
    made = kept.noted(home.made("postgres"))
    folder = home.path / "postgres"
    if made is not None:  # the project may have moved with all that is in it
        return folder if (folder / "data").exists() else made.parent
    if previous and Path(previous).exists():
        return Path(previous)
    if os.geteuid() == 0 and not postgres.reachable(home.path):
        lasting = LASTING if LASTING.is_dir() else None
        folder = Path(tempfile.mkdtemp(prefix="winback-postgres-", dir=lasting))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    return folder


def database_url(home: Home, ports: dict[str, int], login: Login | None = None) -> str:
    """Of a process's own login; of the owner where none is named."""
    name = postgres.OWNER if login is None else login.name
    password = password_file(home, login).read_text().strip()
    return f"postgresql://{name}:{password}@{HOST}:{ports['postgres']}/{postgres.DATABASE}"


def password_file(home: Home, login: Login | None = None) -> Path:
    return home.secret("database-password" if login is None else login.setting.replace("_", "-"))


def of_owner(home: Home, ports: dict[str, int]) -> dict[str, str]:
    """What migrating needs, and every verb: the owner's address, the passwords of the logins."""
    return {DATABASE_URL: database_url(home, ports)} | {
        f"{PREFIX}{login.setting.upper()}_FILE": str(password_file(home, login)) for login in LOGINS
    }


def own_settings(home: Home, ports: dict[str, int], service: str) -> dict[str, str]:
    """Of one service alone: the address of PostgreSQL as its own login; the detector has none."""
    login = next((one for one in LOGINS if one.process == service), None)
    if login is None:
        # a static member: after a kill it is back without a rebalance
        return {"WINBACK_DETECTOR_ID": "dev"}
    return {DATABASE_URL: database_url(home, ports, login)}


def environment(home: Home, ports: dict[str, int]) -> dict[str, str]:
    """The settings that every process and every verb of this stack is given; none has the address
    of PostgreSQL from here.
    """
    env = {
        "WINBACK_KAFKA": f"{HOST}:{ports['kafka']}",
        "WINBACK_SMTP_URL": f"smtp://{HOST}:{ports['smtp']}",
        "WINBACK_BASE_URL": f"http://{HOST}:{ports['console']}",
        "WINBACK_SECRET_FILE": str(home.secret("secret")),
        "WINBACK_STATE_DIR": str(home.path / "detector"),
        "WINBACK_REPLIES_DOMAIN": REPLIES_DOMAIN,
        "WINBACK_DOOR_SMTP_PORT": str(ports["door"]),
    }
    return env | {f"WINBACK_{name.upper()}_PORT": str(ports[name]) for name in SERVICES}


def infrastructure(home: Home, ports: dict[str, int], *, data: Path, fsync: bool) -> list[Part]:
    """Kafka, PostgreSQL and the mail sink; each prepares what it lacks, then becomes the server."""
    password = home.secret("database-password")
    options = () if fsync else ("fsync=off",)
    return [
        Part(
            name="kafka",
            command=(
                *PYTHON,
                "winback.stack.kafka",
                str(home.path / "kafka"),
                str(home.made("kafka")),
                str(ports["kafka"]),
                str(ports["controller"]),
            ),
            ports=(ports["kafka"], ports["controller"]),
            probe=probes.kafka(ports["kafka"], partial(kafka.cluster_of, home.path / "kafka")),
            url=f"kafka://{HOST}:{ports['kafka']}",
        ),
        Part(
            name="postgres",
            command=(
                *PYTHON,
                "winback.stack.postgres",
                str(data),
                str(home.made("postgres")),
                str(password),
                str(ports["postgres"]),
                *options,
            ),
            ports=(ports["postgres"],),
            probe=probes.postgres(ports["postgres"], postgres.OWNER, postgres.DATABASE),
            url=database_url(home, ports),
            stop_signal="SIGINT",  # "fast": ends connections, then writes a checkpoint
        ),
        Part(
            name="smtp",
            command=(
                *PYTHON,
                "winback.stack.smtp",
                str(home.path / "mail"),
                str(ports["smtp"]),
                str(ports["mailbox"]),
                REPLIES_DOMAIN,
                str(ports["door"]),
            ),
            ports=(ports["smtp"], ports["mailbox"]),
            probe=probes.both(probes.smtp(ports["smtp"]), probes.http(ports["mailbox"])),
            url=f"http://{HOST}:{ports['mailbox']}",
            drain_seconds=5,
        ),
    ]


def services(home: Home, ports: dict[str, int]) -> list[Part]:
    """Every process of `winback serve`."""
    return [
        Part(
            name=name,
            command=(*PYTHON, "winback", "serve", name),
            ports=(ports[name],),
            probe=probes.http(ports[name]),
            url=f"http://{HOST}:{ports[name]}",
            env=own_settings(home, ports, name),
        )
        for name in SERVICES
    ]
