"""This installation as the doctor sees it: settings that only make sense together, disks, the
detector's folder.
"""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from shared.settings import settings
from winback.doctor.findings import Finding, good, note, wrong
from winback.doctor.mail import is_local

LEAST_SECRET, LEAST_VARIETY = 32, 10
# of a disk that is free: as the alerts DiskLow and DiskFull have it
NOTED_SHARE, WRONG_SHARE = (
    0.15,
    0.05,
)


def look() -> Iterator[Finding]:
    yield _address()
    yield _secret()
    if settings().clock_offset_seconds:
        yield wrong(
            "clock offset",
            f"{settings().clock_offset_seconds} s are added to the time",
            "Unset WINBACK_CLOCK_OFFSET_SECONDS: it is for tests.",
        )
    if settings().development_cadences:
        yield note(
            "cadences",
            "digests every few minutes are offered",
            "Unset WINBACK_DEVELOPMENT_CADENCES.",
        )
    yield from _disks()
    yield _state()


def _address() -> Finding:
    parts = urlsplit(settings().base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return wrong("address", settings().base_url, "Set WINBACK_BASE_URL to http(s)://host.")
    if parts.scheme == "https":
        return good(
            "address",
            f"{settings().base_url}: cookies are for https alone, unsubscribing takes one click",
        )
    said = (
        f"{settings().base_url}: cookies cross the network in the clear, "
        "and mails offer no one-click unsubscribing"
    )
    do = (
        "Put a proxy with a certificate before the console, "
        "and set WINBACK_BASE_URL to its https address."
    )
    return note("address", said, do) if is_local(parts.hostname) else wrong("address", said, do)


def _secret() -> Finding:
    secret = settings().secret
    do = (
        "Set WINBACK_SECRET (or WINBACK_SECRET_FILE) to 32 random characters or more: "
        "`make secrets`, or openssl rand -base64 32."
    )
    if not secret:
        return wrong("secret", "is empty: unsubscribe links cannot be signed", do)
    if len(secret) < LEAST_SECRET or len(set(secret)) < LEAST_VARIETY:
        return wrong(
            "secret",
            f"{len(secret)} characters, {len(set(secret))} different ones: it can be guessed",
            do,
        )
    return good("secret", f"{len(secret)} characters")


def _disks() -> Iterator[Finding]:
    for name, folder in {"detector": settings().state_dir, **settings().watched_disks}.items():
        try:
            disk = os.statvfs(folder)
        except OSError as error:
            if name != "detector":  # whose folder has a finding of its own
                yield wrong(
                    f"disk {name}",
                    f"{folder}: {error.strerror}",
                    "Mend WINBACK_WATCHED_DISKS, or mount it here.",
                )
            continue
        share = disk.f_bavail / max(1, disk.f_blocks)
        said = f"{disk.f_bavail * disk.f_frsize / 1e9:.1f} GB free, {share:.0%}"
        if share < WRONG_SHARE:
            yield wrong(f"disk {name}", said, "Grow it now: it stops soon.")
        elif share < NOTED_SHARE:
            yield note(f"disk {name}", said, "Grow it.")
        else:
            yield good(f"disk {name}", said)


def _state() -> Finding:
    folder = settings().state_dir
    if not folder.exists():
        return note(
            "detector's folder",
            f"{folder} is not here",
            "None is needed where no detector runs; else it is made and rebuilt at the start.",
        )
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return wrong(
            "detector's folder",
            f"{folder} cannot be written",
            "Give it to the user that runs the detector, or set WINBACK_STATE_DIR.",
        )
    return good(
        "detector's folder",
        f"{folder} can be written; without it the state comes from the changelog",
    )
