"""The Kafka Streams peer: its jars fetched and checked as the broker's are, its
one class compiled once.

Needs a JDK (javac) of 17 or newer and, the first time, Maven.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from shared.errors import Retryable
from shared.settings import settings
from winback.stack import jars, java

HERE = Path(__file__).parent
LOCK = HERE / "streams-jars.lock"
SOURCE = HERE / "Drain.java"
FOLDER = Path(sys.prefix) / "share" / "winback" / "streams"
JVM = ("-Xms256m", "-Xmx1500m", "-XX:+UseParallelGC")


def command() -> list[str]:
    """java with everything in place; GROUP, FOLDER and CACHE_MB follow. Raises Retryable where
    something is not there.
    """
    runtime = java.find()
    own = _jars()
    classes = _compiled(own)
    path = ":".join(map(str, [classes, *own, *jars.ensure()]))
    configuration = HERE / "log4j2.xml"
    return [
        str(runtime),
        *JVM,
        f"-Dlog4j2.configurationFile={configuration}",
        "-cp",
        path,
        "Drain",
        settings().kafka,
    ]


def _jars() -> list[Path]:
    wanted = jars.locked(LOCK)
    if not all((FOLDER / jar.file_name).exists() for jar in wanted):
        if shutil.which("mvn") is None:
            raise Retryable("the Kafka Streams peer needs Maven to fetch its jars")
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER.parent) as folder:
            jars.with_maven(Path(folder), HERE / "pom.xml")
            for jar in wanted:
                jars.check(jar, Path(folder) / jar.file_name)
                (Path(folder) / jar.file_name).replace(FOLDER / jar.file_name)
    for jar in wanted:
        jars.check(jar, FOLDER / jar.file_name)
    return [FOLDER / jar.file_name for jar in wanted]


def _compiled(own: list[Path]) -> Path:
    """A folder of classes, one for each text of the source."""
    classes = FOLDER / f"classes-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}"
    if not classes.exists():
        compiler = shutil.which("javac")
        if compiler is None:
            raise Retryable("the Kafka Streams peer needs a JDK: there is no javac")
        new = classes.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        path = ":".join(map(str, [*own, *jars.ensure()]))
        done = subprocess.run(  # noqa: S603 - ours
            [compiler, "-cp", path, "-d", str(new), str(SOURCE)], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise Retryable(f"the Kafka Streams peer does not compile: {done.stderr[-1000:]}")
        new.replace(classes)
    return classes
