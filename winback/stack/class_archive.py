"""Kafka made ready: its jars fetched, and an archive of the classes that a broker loads, which
halves its start (class data sharing).

    python -m winback.stack.class_archive
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from shared.errors import Misconfigured, Retryable
from winback.stack import jars, java, kafka


def prepare() -> None:
    """Fetch the jars, then let a broker start once to learn which classes it
    loads, and archive those.
    """
    runtime = java.find()
    jars.ensure()
    archive = jars.archive_of(runtime)
    if archive.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        classes = Path(folder) / "classes"
        kafka.rehearse(Path(folder), [f"-XX:DumpLoadedClassList={classes}"])
        new = archive.with_suffix(".new")
        dump = [
            "-Xshare:dump",
            f"-XX:SharedClassListFile={classes}",
            f"-XX:SharedArchiveFile={new}",
        ]
        base = jars.command(runtime, archive=False)
        done = subprocess.run([base[0], *dump, *base[1:]], capture_output=True, text=True)
        if done.returncode == 0 and new.exists():
            new.replace(archive)
        else:
            print(
                "winback: no CDS archive, Kafka will start more slowly: "
                f"{done.stderr.strip()[-300:]}",
                file=sys.stderr,
            )


if __name__ == "__main__":
    try:
        prepare()
    except (Retryable, Misconfigured) as failure:
        print(f"winback: {failure}", file=sys.stderr)
        sys.exit(3)
