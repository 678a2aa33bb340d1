"""PostgreSQL killed and stopped at once, while people save settings and note
outcomes, and look at signals.
"""

import http.client
import signal
import threading
import time
import uuid
from collections import Counter

import msgspec

from services.signals.actions import outcomes
from services.signals.actions import settings as configuration
from services.signals.actions.outcomes import Wish
from services.signals.store import listing
from services.signals.store import settings as settings_store
from shared import clock, db
from shared.errors import NotFound, Rejected
from shared.settings import settings
from winback.chaos.erp import ACTOR, Teller, insist
from winback.chaos.history import History
from winback.chaos.scenarios import Scenario
from winback.chaos.world import World

DATABASE_KILLS = 10
LOOK_SECONDS = 0.2


def kill_database(world: World) -> None:
    """6: kill -9 and immediate stop in turn. Healed: everything in the log is persisted. H also on
    settings and outcomes.
    """
    seen: Counter[int] = Counter()
    stop = threading.Event()
    with world.telling(3) as tellers:
        people = [threading.Thread(target=edit, args=(tellers[1], stop, world.seed), daemon=True)]
        people.append(
            threading.Thread(target=look, args=(tellers[0].token, stop, seen), daemon=True)
        )
        for one in people:
            one.start()
        until, kills = time.monotonic() + world.seconds, 0
        while kills < DATABASE_KILLS and time.monotonic() < until:
            world.pause(1.0, 4.0)
            world.machine.kill("postgres", signal.SIGKILL if kills % 2 else signal.SIGQUIT)
            killed_at, kills = time.monotonic(), kills + 1
            world.recovered(since=killed_at)
        stop.set()
        for one in people:
            one.join(60)
    shown = {status: times for status, times in sorted(seen.items()) if status != 200}
    world.figures["errors shown"] = (
        ", ".join(f"{status or 'no answer'}: {times}" for status, times in shown.items()) or "none"
    )
    world.figures["pages shown"] = str(seen[200])
    world.figures["time to heal, p50 s"] = (
        f"{sorted(world.recoveries)[len(world.recoveries) // 2]:.1f}"
    )
    if not sum(len(history.outcomes) for history in world.histories):
        world.findings.differing.append(
            "H: no outcome was noted: the scenario proved less than it says"
        )


def edit(teller: Teller, stop: threading.Event, seed: int) -> None:
    """Somebody notes outcomes and changes settings. An outcome has the id of its form: sent again
    it is done once.
    """
    history = teller.history
    turn = 0
    while not stop.is_set():
        turn += 1
        if turn % 3 == 0:
            change(history, turn)
        else:
            note(history, f"chaos-{seed}-{uuid.uuid4()}")
        stop.wait(0.2)


def note(history: History, outcome: str) -> None:
    """Reached out to some account that carries a signal."""

    def do() -> bool:
        with db.connect() as connection:
            found = next(iter(listing.signals(connection, history.organization, active=True)), None)
            if found is None:
                return False
            wish = Wish(
                outcome=outcome,
                account=found["account"],
                kind="reached_out",
                signal=found["signal"],
            )
            outcomes.act(connection, history.organization, wish, by=ACTOR, at=clock.now())
        return True

    try:
        if insist(do):
            history.outcomes.append(outcome)
    except (NotFound, Rejected):
        return  # an order came meanwhile: the signal is over, and the account is told so


def change(history: History, turn: int) -> None:
    """The text of a size, which changes nothing that the story tells: so the teller's
    runs stay as they are.
    """
    patch = {"sizes": {"as chaos says": "5.5" if turn % 2 else "7"}}

    def do() -> tuple[int, dict[str, object]]:
        with db.connect() as connection:
            saved = configuration.save(connection, history.organization, patch, by=ACTOR)
            _, whole = settings_store.latest(connection, history.organization)
        return saved.version, msgspec.to_builtins(whole)

    version, whole = insist(do)
    history.settings[version] = whole


def look(token: str, stop: threading.Event, seen: "Counter[int]") -> None:
    """Somebody looks at signals over HTTP; 0 is no answer."""
    while not stop.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", settings().console_port, timeout=15)
        try:
            connection.request(
                "GET", "/v1/signals?limit=10", headers={"Authorization": f"Bearer {token}"}
            )
            answer = connection.getresponse()
            answer.read()
            seen[answer.status] += 1
        except (OSError, http.client.HTTPException):
            seen[0] += 1
        finally:
            connection.close()
        stop.wait(LOOK_SECONDS)


SCENARIOS = (
    Scenario(
        name="database-kills",
        number=6,
        does="kill -9 and immediate stop of PostgreSQL under load",
        run=kill_database,
    ),
)
