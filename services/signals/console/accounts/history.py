"""An account's history in one timeline: its signals opening and ending, what
people did, settings that changed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.signals.store import account_history as store
from services.signals.store.head import Head
from shared import db
from shared.events import Combo
from shared.wording import TYPE_NAMES, combo_words, exact_time, plain_name, short_day

MOST_ENTRIES = 40
RESOLUTIONS = {
    "reordered": "came back with an order",
    "correction": "was never so: orders were corrected",
    "settings": "ended by a change of settings",
    "superseded": "the whole account went dormant",
    "aged_out": "its history slid out of the window",
}


@dataclass(frozen=True, kw_only=True)
class EntryView:
    """One thing that happened. look: "o" opened, "r" came back, "" anything else."""

    words: str
    look: str
    when: str
    when_exact: str


def history(
    connection: db.Connection, organization: str, account: str, head: Head
) -> list[EntryView]:
    """The newest first."""
    entries: list[tuple[datetime, str, str]] = []
    episodes = store.episodes(connection, organization, account)
    for episode in episodes:
        what = (
            TYPE_NAMES[episode.type]
            if episode.type != "lapse"
            else combo_words(Combo(od=episode.od, grade=episode.grade))
        )
        entries.append(
            (
                episode.opened_at,
                "o",
                f"{what} {'opened' if episode.episode == 1 else 'opened again'}",
            )
        )
        if episode.closed_at is not None:
            is_back = episode.resolution == "reordered"
            by = (
                f" with {plain_name(episode.recovered_by)}"
                if is_back and episode.recovered_by
                else ""
            )
            how = (
                f"came back{by}" if is_back else RESOLUTIONS.get(episode.resolution or "", "ended")
            )
            entries.append((episode.closed_at, "r" if is_back else "", f"{what}: {how}"))
    entries += [
        (note.at, "", f"{_words(note.action, note.detail)}, by {plain_name(note.actor)}")
        for note in store.notes(
            connection, organization, account, {episode.signal for episode in episodes}
        )
    ]
    since = min((at for at, _, _ in entries), default=None)
    if since is not None:
        entries += [
            (at, "", f"Settings version {version}, by {plain_name(by)}")
            for version, at, by in store.saved_since(connection, organization, since)
        ]
    zone = ZoneInfo(head.timezone)
    return [
        EntryView(
            words=words,
            look=look,
            when=short_day(at.astimezone(zone).date(), seen_from=at.min.date()),
            when_exact=exact_time(at, head.timezone),
        )
        for at, look, words in sorted(entries, key=lambda entry: entry[0], reverse=True)[
            :MOST_ENTRIES
        ]
    ]


def _words(action: str, detail: dict[str, Any]) -> str:
    if action == "enrollment":
        return (
            f"Enrollment {str(detail.get('from', '')).capitalize()} to "
            f"{str(detail.get('to', '')).capitalize()}"
        )
    if action == "primary contact":
        return f"Primary contact {plain_name(str(detail.get('contact', '')))}"
    if action in ("wrote note", "deleted note", "did follow-up", "moved follow-up"):
        return action.capitalize() + (f" to {detail['to']}" if "to" in detail else "")
    if action in ("added contact", "changed contact"):
        fields = ", ".join(str(field) for field in detail.get("fields", []))
        return f"{action.capitalize()} ({fields})"
    return plain_name(action).replace("_", " ").capitalize()
