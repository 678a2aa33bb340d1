"""What was kept before must still be there: a stack whose data are gone does not start empty in
silence.

A line NAME.made in the home says which folder was made, once it was. It lies beside the data,
not in it.
"""

from pathlib import Path

from shared.errors import Misconfigured


def require(data: Path, made: Path) -> None:
    """Raises Misconfigured where something was made, and is not there any more."""
    if made.exists() and not data.exists():
        raise Misconfigured(
            f"{data} is gone, and this stack has worked with it: bring it back (from a backup: "
            "docs/operations.md, Back up and restore), or forget all that is left, and start "
            "with nothing: `winback dev reset --yes`"
        )


def note(data: Path, made: Path) -> None:
    """From now on it must be there."""
    made.write_text(f"{data}\n")


def noted(made: Path) -> Path | None:
    """The folder; None before anything was made."""
    try:
        return Path(made.read_text().strip())
    except OSError:
        return None
