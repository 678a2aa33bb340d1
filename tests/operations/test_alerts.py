"""Every alert has a test that sees it fire, one that sees it silent, and a
section that says what to do.
"""

import re
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from shared import metrics
from shared.db import Role
from shared.logins import LOGINS
from tests.operations.rules import (
    ALWAYS,
    PROMETHEUS,
    ROOT,
    alerts,
    known_series,
    recorded,
    unknown_series,
)
from winback import reference
from winback.serve import Service

RUNBOOK = ROOT / "docs" / "operations.md"
TESTS: dict[str, Any] = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())


def cases() -> dict[str, list[dict[str, Any]]]:
    """Alert -> its checks in alerts_test.yml."""
    found: dict[str, list[dict[str, Any]]] = {}
    for group in TESTS["tests"]:
        for check in group.get("alert_rule_test", []):
            found.setdefault(check["alertname"], []).append(check)
    return found


def untested(names: set[str], found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Alerts that no check sees fire, or none sees silent."""
    return sorted(
        name
        for name in names - ALWAYS
        if {bool(check.get("exp_alerts")) for check in found.get(name, [])} != {True, False}
    )  # fmt: skip


def promtool(*words: str, cwd: Path = PROMETHEUS) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["promtool", *words], cwd=cwd, capture_output=True, text=True, timeout=400
    )


@pytest.mark.slow
def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    done = promtool("test", "rules", "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert untested(set(alerts()), cases()) == []
    assert cases().keys() >= ALWAYS


def test_an_alert_without_a_test_is_named() -> None:
    found = cases()
    del found["DiskFull"]
    found["RunLate"] = [check for check in found["RunLate"] if not check.get("exp_alerts")]
    assert untested({*alerts(), "Untried"}, found) == ["DiskFull", "RunLate", "Untried"]


def test_every_share_that_is_recorded_is_worked_out_in_a_test() -> None:
    checks = [
        check["expr"]
        for group in TESTS["tests"]
        for check in group.get("promql_expr_test", [])
        if check["exp_samples"]
    ]
    assert {
        name for check in checks for name in re.findall(r"winback:\w+:\w+", check)
    } == recorded().keys()


def test_promtool_sees_a_rule_that_says_something_else(tmp_path: Path) -> None:
    """In the part of the tests that is about it: the whole takes long."""
    about_it = [group for group in TESTS["tests"] if "ClockSkew" in yaml.safe_dump(group)]
    (tmp_path / "alerts_test.yml").write_text(yaml.safe_dump(TESTS | {"tests": about_it}))
    for file in ("alerts.yml", "objectives.yml"):
        (tmp_path / file).write_text((PROMETHEUS / file).read_text())
    assert promtool("test", "rules", "alerts_test.yml", cwd=tmp_path).returncode == 0
    text = (PROMETHEUS / "alerts.yml").read_text()
    (tmp_path / "alerts.yml").write_text(
        text.replace("(abs(winback_clock_skew_seconds)) > 5", "(vector(0)) > 5")
    )
    done = promtool("test", "rules", "alerts_test.yml", cwd=tmp_path)
    assert done.returncode != 0 and "ClockSkew" in done.stdout + done.stderr


def test_prometheus_takes_the_configuration() -> None:
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0 and f"{len(alerts())} rules found" in done.stdout, (
        done.stdout + done.stderr
    )


@pytest.mark.parametrize("name", [*alerts(), *recorded()])
def test_a_rule_asks_for_what_is_measured(name: str) -> None:
    rule = (alerts() | recorded())[name]
    assert unknown_series(rule["expr"]) == set()
    assert set(re.findall(r"winback:\w+:\w+", rule["expr"])) <= recorded().keys()


def test_a_series_that_nothing_serves_is_named() -> None:
    assert unknown_series("rate(winback_gone_total[5m]) + winback_run_seconds_count") == {
        "winback_gone_total"
    }
    assert "winback_run_seconds" not in known_series()


@pytest.mark.parametrize("name", alerts())
def test_an_alert_leads_to_its_section(name: str) -> None:
    rule = alerts()[name]
    leads_to = "{{ $externalLabels.runbooks }}#" + name.lower()
    assert rule["annotations"]["runbook_url"] == leads_to
    section = re.search(rf"^### {name}\n\*(\w+)\.\* (.+)", RUNBOOK.read_text(), re.MULTILINE)
    assert section is not None
    assert section[1] == rule["labels"]["severity"]


def test_no_section_leaves_its_reader_with_nothing_but_a_report() -> None:
    part = RUNBOOK.read_text().split("\n## Alerts\n")[1].split("\n## ")[0]
    assert re.findall(r"(?i)[^.]*\breport it\b[^.]*\.", part) == []


def test_a_process_that_is_gone_is_missed_by_its_name() -> None:
    asked = re.findall(
        r'absent\(up{job="winback",service="(\w+)"}\)', alerts()["ServiceDown"]["expr"]
    )
    assert sorted(asked) == sorted(Service)


def test_every_section_has_its_alert() -> None:
    part = RUNBOOK.read_text().split("\n## Alerts\n")[1].split("\n## ")[0]
    assert re.findall(r"^### (\w+)$", part, re.MULTILINE) == list(alerts())


@pytest.mark.parametrize("name", metrics.ABOUT)
def test_a_metric_says_what_it_is_what_a_spike_means_and_what_to_do(name: str) -> None:
    about = metrics.ABOUT[name]
    assert all(text.endswith((".", "?")) for text in (about.what, about.spike, about.do))
    assert f"\n## {name}\n" in reference.metrics_page()


def test_every_metric_has_its_words() -> None:
    measured = [
        metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)
    ]
    assert [reference.scraped_name(metric) for metric in measured] == list(metrics.ABOUT)


def test_metrics_and_commands_that_the_runbook_names_are_there() -> None:
    assert {
        name for name in re.findall(r"`(winback_\w+)", RUNBOOK.read_text())
    } <= metrics.ABOUT.keys() | {*get_args(Role), *(login.name for login in LOGINS)}
