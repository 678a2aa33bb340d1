"""Apache Kafka, one node in KRaft mode: format its storage when there is none,
then become the broker.

python -m winback.stack.kafka FOLDER MADE PORT CONTROLLER_PORT
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from shared.errors import Misconfigured, Retryable
from winback.stack import jars, java, kept

HOST = "127.0.0.1"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}

# One node: every internal topic has one replica; few partitions are enough, and quick to load.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# After a kill the broker is let in again when its own former session is over.
broker.session.timeout.ms=2500
broker.heartbeat.interval.ms=500

group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes=4200000
replica.fetch.max.bytes=4200000
"""


def main() -> None:
    folder, made = Path(sys.argv[1]), Path(sys.argv[2])
    port, controller_port = int(sys.argv[3]), int(sys.argv[4])
    kept.require(folder / "data", made)
    base = jars.command(java.find())
    properties = configure(folder, port=port, controller_port=controller_port, base=base)
    kept.note(folder / "data", made)
    os.execv(base[0], [*base, "kafka.Kafka", str(properties)])  # noqa: S606 - the process becomes the broker


def configure(folder: Path, *, port: int, controller_port: int, base: list[str]) -> Path:
    """Write server.properties, format the storage when there is none. Returns
    the file for kafka.Kafka.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data"
    if not data.exists():
        format_storage(folder, data, base=base, port=port, controller_port=controller_port)
    return write_properties(
        folder / "server.properties", data=data, port=port, controller_port=controller_port
    )


def format_storage(
    folder: Path, data: Path, *, base: list[str], port: int, controller_port: int
) -> None:
    """Beside its place, then moved: storage is there whole or not at all."""
    new = folder / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    properties = write_properties(
        folder / "format.properties", data=new, port=port, controller_port=controller_port
    )
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
    command = [
        *base,
        "kafka.tools.StorageTool",
        "format",
        "--standalone",
        "-t",
        cluster,
        "-c",
        str(properties),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Retryable(
            f"Kafka's storage could not be formatted: {(done.stdout + done.stderr).strip()[-500:]}"
        )
    new.replace(data)


def cluster_of(folder: Path) -> str | None:
    """The id of the cluster whose storage is in `folder`; None before there is one."""
    try:
        text = (folder / "data" / "meta.properties").read_text()
    except OSError:
        return None
    found = re.search(r"^cluster\.id=(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else None


def write_properties(file: Path, *, data: Path, port: int, controller_port: int) -> Path:
    file.write_text(
        PROPERTIES.format(host=HOST, port=port, controller_port=controller_port, data=data)
    )
    return file


def rehearse(folder: Path, options: list[str]) -> None:
    """Start a broker in an empty folder with further JVM options; end it as soon as it serves."""
    with socket.socket() as first, socket.socket() as second:
        first.bind((HOST, 0))
        second.bind((HOST, 0))
        port, controller_port = first.getsockname()[1], second.getsockname()[1]
    base = jars.command(java.find(), archive=False)
    properties = configure(
        folder / "rehearsal", port=port, controller_port=controller_port, base=base
    )
    broker = subprocess.Popen(
        [base[0], *options, *base[1:], "kafka.Kafka", str(properties)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while broker.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    time.sleep(1)  # classes of the first requests
    broker.send_signal(signal.SIGTERM)
    broker.wait(30)


if __name__ == "__main__":
    try:
        main()
    except (Retryable, Misconfigured) as failure:
        print(f"winback: {failure}", file=sys.stderr)
        sys.exit(3)
