"""Apache Kafka's jars: fetched once into the environment, each held against its locked
SHA-256 at every start.

Maven fetches them where it is there, else PyPI's jgo, which needs no Java; both only carry:
`kafka-jars.lock` decides. A CDS archive (the JVM's own cache of parsed classes) beside them halves
the broker's start; it is made by `class_archive.py` and can be missing.

    python -m winback.stack.class_archive    fetches them, and makes the archive
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Misconfigured, Retryable

HERE = Path(__file__).parent
LOCK = HERE / "kafka-jars.lock"
FOLDER = Path(sys.prefix) / "share" / "winback" / "kafka"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
JVM = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
)


@dataclass(frozen=True, kw_only=True)
class Jar:
    """One line of the lock."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def locked(lock: Path = LOCK) -> list[Jar]:
    """What the broker starts on (or what another lock holds), in the order of the class path."""
    names = ("group", "artifact", "version")
    rows = (
        line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")
    )
    return [
        Jar(sha256=sha256, **dict(zip(names, name.split(":"), strict=True)))
        for sha256, name in rows
    ]


def ensure() -> list[Path]:
    """The jars on this disk, hashes checked; fetched when one is missing. Raises Retryable, or
    Misconfigured on a wrong hash.
    """
    if not are_there():
        fetch()
    for jar in locked():
        check(jar, FOLDER / jar.file_name)
    return [FOLDER / jar.file_name for jar in locked()]


def are_there() -> bool:
    return all((FOLDER / jar.file_name).exists() for jar in locked())


def fetch() -> None:
    """Into a folder beside, checked there, then in one move in place: a fetch that is ended
    half-way leaves nothing.
    """
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as folder:
        new = Path(folder) / "kafka"
        new.mkdir()
        if shutil.which("mvn"):
            with_maven(new)
        elif importlib.util.find_spec("jgo"):
            with_jgo(new)
        else:
            raise Retryable(
                "Kafka's jars are missing, and neither Maven nor PyPI's jgo is there to fetch "
                "them: run `make setup`"
            )
        for jar in locked():
            check(jar, new / jar.file_name)
        shutil.rmtree(FOLDER, ignore_errors=True)
        new.replace(FOLDER)


def with_maven(folder: Path, pom: Path = HERE / "pom.xml") -> None:
    command = [
        "mvn",
        "-q",
        "-B",
        "-f",
        str(pom),
        COPY,
        "-DincludeScope=runtime",
        f"-DoutputDirectory={folder}",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Retryable(
            f"Maven could not fetch Kafka's jars: {(done.stdout + done.stderr).strip()[-500:]}"
        )


def with_jgo(folder: Path) -> None:
    """Each coordinate by its locked version: from the roots jgo picks an old kafka-clients."""
    from jgo.maven import MavenContext, PythonResolver

    with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
        maven = MavenContext(resolver=PythonResolver(), repo_cache=Path(cache), timeout=60)
        for jar in locked():
            try:
                file = (
                    maven.project(jar.group, jar.artifact)
                    .at_version(jar.version)
                    .artifact()
                    .resolve()
                )
            except Exception as error:
                raise Retryable(f"jgo could not fetch {jar.file_name}: {error}") from None
            shutil.copyfile(file, folder / jar.file_name)


def check(jar: Jar, file: Path) -> None:
    """Raises Misconfigured when the file is not what was locked."""
    if not file.exists():
        raise Misconfigured(
            f"{jar.file_name} is in {LOCK.name} and was not fetched: "
            f"do {LOCK.name} and pom.xml agree?"
        )
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != jar.sha256:
        raise Misconfigured(
            f"{file}: sha256 is {found}, locked is {jar.sha256}; delete the file to fetch it again"
        )


def command(runtime: Path, *, archive: bool = True) -> list[str]:
    """java with the class path, ready for a main class."""
    class_path = ":".join(map(str, ensure()))
    shared = (
        [f"-XX:SharedArchiveFile={archive_of(runtime)}"]
        if archive and archive_of(runtime).exists()
        else []
    )
    return [
        str(runtime),
        *JVM,
        *shared,
        f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}",
        "-cp",
        class_path,
    ]


def archive_of(runtime: Path) -> Path:
    """Where the archive for this Java stands: another Java, or another place, makes its own."""
    real = runtime.resolve()
    key = hashlib.sha256(
        f"{real} {real.stat().st_mtime_ns} {FOLDER} {LOCK.read_text()}".encode()
    ).hexdigest()[:12]
    return FOLDER.parent / f"kafka-{key}.jsa"
