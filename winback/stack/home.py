"""The folder `.winback/` of a project directory (or WINBACK_HOME): all state,
and where everything is.

state.json   the supervisor and its parts, as of now; written only by the supervisor
env          WINBACK_… settings that reach this stack; every `winback` verb reads it when told
             nothing else
secret       signs unsubscribe links; made once, readable by its owner alone
lock         held by the living supervisor
NAME.made    which folder holds the data of Kafka, of PostgreSQL, once it does
logs/ mail/ kafka/ postgres/ detector/
"""

import fcntl
import json
import os
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shared.settings import other_form

FOLDER = ".winback"


@dataclass(frozen=True)
class Home:
    """Paths under one folder, and the files in it."""

    path: Path

    @property
    def state_file(self) -> Path:
        return self.path / "state.json"

    @property
    def env_file(self) -> Path:
        return self.path / "env"

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def made(self, name: str) -> Path:
        """Says that `kafka` or `postgres` has data, and where (winback.stack.kept)."""
        return self.path / f"{name}.made"

    def make(self) -> None:
        """Create the folder. Others may pass through it (PostgreSQL runs as another user under
        root), not list it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o711)
        self.logs.mkdir(exist_ok=True)
        self.logs.chmod(0o700)

    def secret(self, name: str) -> Path:
        """A file with 43 random characters, made on first use, readable by its owner alone."""
        file = self.path / name
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32) + "\n")
        return file

    def state(self) -> dict[str, Any]:
        """What the supervisor wrote last; empty when there never was one."""
        try:
            state = json.loads(self.state_file.read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def write_state(self, state: dict[str, Any]) -> None:
        write_private(self.state_file, json.dumps(state, indent=1) + "\n")

    def write_env(self, env: dict[str, str]) -> None:
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(env.items())]
        head = "# Written by `winback dev up`. Every winback verb in this directory reads it.\n"
        write_private(self.env_file, head + "".join(lines))

    def env(self) -> dict[str, str]:
        """The settings that reach this stack; empty when it was never started."""
        try:
            words = shlex.split(self.env_file.read_text(), comments=True)
        except (OSError, ValueError):
            return {}
        return dict(word.split("=", 1) for word in words if "=" in word)

    def lock(self) -> IO[str] | None:
        """Held as long as the returned file is open; None when a living supervisor has it."""
        file = self.lock_file.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        return file


def find() -> Home:
    """The home of the current directory."""
    return Home(Path(os.environ.get("WINBACK_HOME") or FOLDER).absolute())


def load_env() -> bool:
    """Let this process reach the stack of the current directory, as its owner, unless its
    environment names another one: False then, or where there is none.
    """
    if "WINBACK_KAFKA" in os.environ or "WINBACK_DATABASE_URL" in os.environ:
        return False
    env = find().env()
    for name, value in env.items():
        if other_form(name) not in os.environ:
            os.environ.setdefault(name, value)
    return bool(env)


def write_private(file: Path, text: str) -> None:
    """Whole or not at all, readable by its owner alone."""
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
    new.replace(file)
