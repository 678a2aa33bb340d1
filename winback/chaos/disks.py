"""Folders that are small file systems of their own, so that a disk can be full
without filling anybody's.

tmpfs, which takes root and a kernel that lets one mount: where it does not, `CannotMount` says so
before anything is started.
"""

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

NONE: Mapping[str, int] = MappingProxyType({})
BALLAST = "ballast"
PIECES = (1_000_000, 4_096, 1)  # bytes: large ones while they fit, then what is left


class CannotMount(Exception):
    """This machine has no small file system to offer: what it is needed for cannot be
    done, and that is said.
    """


def mount(under: Path, sizes: Mapping[str, int]) -> list[Path]:
    """A file system of so many megabytes in each folder; returns them. Raises CannotMount with what
    was said; then none is left.
    """
    mounted = list[Path]()
    try:
        for name, megabytes in sizes.items():
            folder = under / name
            folder.mkdir(mode=0o711, exist_ok=True)
            if os.geteuid() != 0 or (program := shutil.which("mount")) is None:
                raise CannotMount("only root can mount a small file system")
            options = f"size={megabytes}m,mode=0711"
            done = subprocess.run(
                [program, "-t", "tmpfs", "-o", options, "winback-chaos", str(folder)],
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                raise CannotMount(
                    f"no small file system can be mounted here: {done.stderr.strip()}"
                )
            mounted.append(folder)
    except CannotMount:
        unmount(mounted)
        raise
    return mounted


def unmount(folders: list[Path]) -> None:
    """Whoever still has a file open there keeps it until they end; the folder is free at once."""
    for folder in folders:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607 - found where mount was


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """Not a byte more can be written to its file system, until the end. What is freed meanwhile is
    not filled again.
    """
    ballast = folder / BALLAST
    try:
        with ballast.open("wb", buffering=0) as opened:
            for size in PIECES:
                while fits(opened.fileno(), size):
                    pass
        yield
    finally:
        ballast.unlink(missing_ok=True)


def fits(file: int, size_bytes: int) -> bool:
    """Write so many more; False where not all of them have room."""
    try:
        return os.write(file, b"\0" * size_bytes) == size_bytes
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
