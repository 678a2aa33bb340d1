"""A small disk is full to the last byte and given back; where none can be mounted, that is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from winback.chaos import disks


def test_not_a_byte_more_fits_until_the_ballast_is_gone(tmp_path: Path) -> None:
    try:
        mounted = disks.mount(tmp_path, {"small": 2})
    except disks.CannotMount as error:
        assert "mount" in str(error)  # nothing more can be seen on this machine
        assert list(tmp_path.glob("small/*")) == []
        return
    (folder,) = mounted
    try:
        (folder / "kept").write_bytes(b"before")
        with disks.full(folder):
            with pytest.raises(OSError, match="No space left"):
                (folder / "more").write_bytes(b"x")
            assert (folder / "kept").read_bytes() == b"before"
        (folder / "more").write_bytes(b"y" * 1_000_000)
    finally:
        disks.unmount(mounted)
    assert not os.path.ismount(folder)
    assert list(folder.iterdir()) == []


def test_what_was_mounted_is_given_back_when_the_next_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(disks.CannotMount):
        disks.mount(tmp_path, {"first": 2, "second": -1})
    assert not os.path.ismount(tmp_path / "first")


def test_a_machine_without_small_disks_says_so_ends_with_3_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    without_mount = os.environ | {"PATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-P", "-m", "winback", "chaos", "--scenario", "full-disks"]
    ended = subprocess.run(command, env=without_mount, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 3, ended.stderr
    assert "cannot be done on this machine" in ended.stdout
    assert list(tmp_path.iterdir()) == []
