"""Each process as docker-compose.yml runs it: its command, its environment, its health check, no
rights, nothing to write to.

There is no Docker here. What stands in for a container is a mount namespace whose root is
read-only, a user without rights, and the environment of the file alone, in which the places of
containers are those of the tests' stack. `make drill`, as root.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.logins import LOGINS
from shared.settings import PREFIX
from tests.eventually import eventually
from tests.logins import url_of
from tests.operations.rules import ROOT
from tests.stack_fixtures import Stack
from winback.serve import Service
from winback.stack import processes
from winback.stack.ports import is_free

pytestmark = pytest.mark.drill

BIN = Path(sys.executable).parent
VOLUME = "/mnt"
USER, GROUP = "nobody", "nogroup"

# What `read_only`, `tmpfs`, `volumes`, `cap_drop` and `no-new-privileges` come to. $1: the folder
# that is its volume. Python or this checkout may be in root's home, where nobody else gets to: that
# home is another one here, with these two in it.
CONTAINER = f"""
set -e
mount --make-rprivate /
mount --bind "$1" {VOLUME}
mount -t tmpfs -o mode=755 tmpfs /tmp
for place in {sys.base_prefix} {ROOT}; do
    mkdir -p /tmp/$place
    mount --rbind $place /tmp/$place
done
mount -t tmpfs -o mode=755 tmpfs /root
for place in {sys.base_prefix} {ROOT}; do
    case $place in /root/*)
        mkdir -p $place
        mount --rbind /tmp/$place $place
    esac
done
mount -o remount,bind,ro /
mount -t tmpfs -o mode=1777 tmpfs /tmp
shift
cd /
set -- env -i "$@"
set -- --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
exec setpriv --reuid={USER} --regid={GROUP} --clear-groups "$@"
"""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    done = subprocess.run(
        [BIN / "docker-compose", "config", "--format", "json"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


class Container:
    """One service of the file; the processes of one share a volume."""

    def __init__(
        self, service: Mapping[str, Any], stack: Stack, folder: Path, ports: Mapping[str, str]
    ) -> None:
        self.service, self.folder, self.ports = service, folder, ports
        here = {
            "kafka:29092": stack.env["WINBACK_KAFKA"],
            "smtp://mailpit:1025": stack.env["WINBACK_SMTP_URL"],
            "/run/secrets/": f"{VOLUME}/",
            "/var/lib/winback/": f"{VOLUME}/",
            "/watched/": f"{VOLUME}/",
        }
        self.environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": "/var/lib/winback"}
        for name, value in service["environment"].items():
            for there, place in here.items():
                value = value.replace(there, place)
            self.environment[name] = self.at_port(value)

    def at_port(self, text: str) -> str:
        """With the ports of containers, which all have 8081 and so on to themselves, in the place
        of those that are free here.
        """
        return re.sub(r"\b80\d\d\b", lambda found: self.ports.get(found[0], found[0]), text)

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        pairs = [f"{name}={value}" for name, value in self.environment.items()]
        words = [
            "unshare",
            "--mount",
            "sh",
            "-c",
            CONTAINER,
            "container",
            str(self.folder),
            *pairs,
            *command,
        ]
        return subprocess.Popen(words, preexec_fn=processes.die_with_parent)

    def is_healthy(self) -> bool:
        """By the file's own check."""
        kind, *command = self.service["healthcheck"]["test"]
        assert kind == "CMD"
        done = subprocess.run(
            [self.at_port(word) for word in command], env=self.environment, capture_output=True
        )
        return done.returncode == 0


@pytest.fixture(scope="module")
def containers(
    compose: dict[str, Any], stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Container]:
    made: dict[str, Container] = {}
    free = (port for port in range(33_000 + os.getpid() % 900, 34_000) if is_free(port))
    ports = {
        compose[name]["environment"][f"{PREFIX}{name.upper()}_PORT"]: str(next(free))
        for name in Service
    }
    for name in ("migrate", *Service):
        folder = tmp_path_factory.mktemp(name)
        folder.chmod(0o755)
        secrets = {
            "database-url": stack.env["WINBACK_DATABASE_URL"],
            "secret": stack.env["WINBACK_SECRET"],
        }
        for login in LOGINS:
            of = login.name.removeprefix("winback_")
            secrets[f"{of}-database-password"] = login.password
            secrets[f"{of}-database-url"] = url_of(login)
        for secret, content in secrets.items():
            (folder / secret).write_text(content)
            (folder / secret).chmod(0o444)  # as `make secrets` leaves them
        for volume in ("detector", "kafka", "postgres"):
            (folder / volume).mkdir()
        shutil.chown(folder / "detector", USER, GROUP)
        made[name] = Container(compose[name], stack, folder, ports)
    return made


def test_there_is_nothing_to_write_to_but_the_temporary_folder(
    containers: dict[str, Container],
) -> None:
    script = (
        "touch /tmp/x && ! touch /var/tmp/x && ! "
        "touch $HOME/x && ! touch x && test $(id -u) != 0 && ! mount -o remount,rw /"
    )
    assert containers["ingest"].start("sh", "-c", script).wait(30) == 0


def test_migrations_and_topics_are_made(
    compose: dict[str, Any], containers: dict[str, Container]
) -> None:
    assert containers["migrate"].start(*compose["migrate"]["entrypoint"]).wait(120) == 0


def test_every_process_becomes_healthy_and_ends_in_time(
    compose: dict[str, Any], containers: dict[str, Container]
) -> None:
    with ExitStack() as running:
        started = {
            name: running.enter_context(alive(containers[name], compose[name])) for name in Service
        }
        for name in Service:
            check = compose[name]["healthcheck"]
            eventually(
                containers[name].is_healthy,
                seconds=seconds(check["start_period"])
                + check["retries"] * seconds(check["interval"]),
                running=started[name],
                what=f"a healthy {name}",
                pause=0.2,
            )
        for process in started.values():
            process.send_signal(signal.SIGTERM)
        for name, process in started.items():
            assert process.wait(seconds(compose[name]["stop_grace_period"])) == 0, name


@contextmanager
def alive(container: Container, service: Mapping[str, Any]) -> Iterator["subprocess.Popen[bytes]"]:
    process = container.start("winback", *service["command"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def seconds(duration: str) -> float:
    """As the file writes it: 5s, 1m0s."""
    return sum(
        float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
        for number, unit in re.findall(r"(\d+)([smh])", duration)
    )
