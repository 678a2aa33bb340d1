"""The real Prometheus over a running stack, with the very rules of ops/prometheus, all of their
times divided by one number.

Divided are the three things that are times in a rule: how long it must hold (`for`), how far back
it looks (`[15m]`), and thresholds that are written `N * 60` or `N * 3600`. Everything else (what is
asked, shares, counts) is as it is in the file.
"""

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.eventually import eventually
from tests.operations.rules import PROMETHEUS, groups
from tests.stack_fixtures import Stack
from winback.serve import Service
from winback.stack import processes
from winback.stack.parts import HOST
from winback.stack.ports import is_free

FACTOR = 100
# half an hour, or one
LOOK_BACK_LONG = ("DigestLate", "DigestMissed", "MailAmbiguous", "RecordsSkipped")
FACTORS = dict.fromkeys(LOOK_BACK_LONG, 400) | {
    "NotWatched": 10,  # the clock looks every five seconds, however fast the rules are
    "KafkaConfirmsNothing": 4,  # and writes as often
    "CrashLoop": 10,  # a process needs seconds to come up
    "BackupOld": 26,  # an hour
    "FreshnessBudgetFast": 400,  # its short window is three scrapes: it need not hold for two more
}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_DURATION = re.compile(r"(\d+)([smhd])")
_WINDOW = re.compile(r"\[(\d+[smhd])\]")
_THRESHOLD = re.compile(r"\* (60|3600)\b")


def faster(rule: dict[str, Any], factor: float) -> dict[str, Any]:
    """The rule with its times divided."""
    expr = _WINDOW.sub(lambda found: f"[{shorter(found[1], factor)}]", rule["expr"])
    quick = rule | {"expr": _THRESHOLD.sub(lambda found: f"* {int(found[1]) / factor:g}", expr)}
    return quick | {"for": shorter(rule["for"], factor)} if "for" in rule else quick


def shorter(duration: str, factor: float) -> str:
    found = _DURATION.fullmatch(duration)
    assert found is not None
    return f"{int(int(found[1]) * SECONDS[found[2]] * 1000 / factor)}ms"


FIRED: set[str] = set()  # of alerts, in this run of the tests
CLEARED: set[str] = set()


class Prometheus:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant query's result. Raises HTTPError for one that cannot be read."""
        return list(
            self._get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")["result"]
        )

    def firing(self) -> dict[str, list[dict[str, str]]]:
        """Alert -> labels of each that fires now."""
        found: dict[str, list[dict[str, str]]] = {}
        for alert in self._get("/api/v1/alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return found

    def wait_until_all_fired(self, wanted: "list[Alert]", *, seconds: float = 120.0) -> None:
        """Until each has fired at some moment: one that looks back over seconds is soon over."""
        left = list(wanted)

        def all_fired() -> bool:
            firing = self.firing()
            left[:] = [alert for alert in left if not alert.is_in(firing)]
            return not left

        eventually(all_fired, seconds=seconds, what=f"an alarm of each of {wanted}", pause=0.3)
        FIRED.update(alert.name for alert in wanted)

    def wait_until_all_clear(self, wanted: "list[Alert]", *, seconds: float = 180.0) -> None:
        """Until none of them fires."""
        eventually(
            lambda: not any(alert.is_in(self.firing()) for alert in wanted),
            seconds=seconds,
            what=f"an end of each of {wanted}",
            pause=0.3,
        )
        CLEARED.update(FIRED & {alert.name for alert in wanted})

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)["data"]


class Alert:
    """One alert with some of its labels."""

    def __init__(self, name: str, **labels: str) -> None:
        self.name, self.labels = name, labels

    def is_in(self, firing: dict[str, list[dict[str, str]]]) -> bool:
        return any(self.labels.items() <= found.items() for found in firing.get(self.name, []))

    def __repr__(self) -> str:
        return f"{self.name}{self.labels or ''}"


@contextmanager
def watching(
    stack: Stack, folder: Path, *, later: tuple[str, str] | None = None
) -> Iterator[Prometheus]:
    """Prometheus scraping every service of the stack, and one that comes `later`
    (name, host:port) or never.
    """
    for file in ("alerts.yml", "objectives.yml"):
        quick = [
            group
            | {
                "rules": [
                    faster(rule, FACTORS.get(rule.get("alert", ""), FACTOR))
                    for rule in group["rules"]
                ]
            }
            for group in groups(file)
        ]
        (folder / file).write_text(yaml.safe_dump({"groups": quick}))
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] = {
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "evaluation_interval": "1s",
    }
    places = {name.value: stack.service(name)["url"].removeprefix("http://") for name in Service}
    expected = len(places)
    places |= dict([later] if later else [])
    config["scrape_configs"] = [
        {
            "job_name": "winback",
            "static_configs": [
                {"targets": [at], "labels": {"service": name}} for name, at in places.items()
            ],
        }
    ]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = next(port for port in range(30_000 + os.getpid() % 1000, 32_000) if is_free(port))
    command = [
        str(shutil.which("prometheus")), f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={HOST}:{port}",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, preexec_fn=processes.die_with_parent
        )
    running = Prometheus(f"http://{HOST}:{port}")
    try:
        eventually(
            lambda: answers(running, expected),
            running=process,
            what=f"a scrape of each of {expected} processes ({folder / 'prometheus.log'})",
            pause=0.2,
        )
        yield running
    finally:
        process.terminate()
        process.wait(30)


def answers(prometheus: Prometheus, targets: int) -> bool:
    """It serves, and has scraped every process."""
    try:
        return len(prometheus.query('up{job="winback"} == 1')) >= targets
    except OSError:
        return False
