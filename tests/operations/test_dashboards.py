"""Grafana's dashboards are those that the code describes, and ask for what is there."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import dashboards
from tests.operations.rules import ROOT, known_series, recorded, unknown_series

GRAFANA = ROOT / "ops" / "grafana"


def chosen(query: str) -> str:
    """As Grafana asks, with everything chosen."""
    return re.sub(r"\$(instance|organization)\b", ".*", query.replace("$__rate_interval", "10m"))


def panels(uid: str) -> list[dict[str, Any]]:
    return [
        panel for panel in json.loads(dashboards.built(uid))["panels"] if panel["type"] != "row"
    ]


@pytest.mark.parametrize("uid", dashboards.DASHBOARDS)
def test_a_dashboard_is_as_the_code_describes_it(uid: str) -> None:
    assert (dashboards.FOLDER / f"{uid}.json").read_text() == dashboards.built(uid), (
        "run `python -m ops.dashboards`"
    )


def test_no_dashboard_is_left_over() -> None:
    assert {path.stem for path in dashboards.FOLDER.iterdir()} == dashboards.DASHBOARDS.keys()


@pytest.mark.parametrize("uid", dashboards.DASHBOARDS)
def test_panels_stand_side_by_side_and_say_what_they_are_for(uid: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(uid):
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24
        taken |= cells
        assert panel["description"] and panel["targets"]
    ids = [panel["id"] for panel in panels(uid)]
    assert len(set(ids)) == len(ids)


def test_every_query_asks_for_what_is_there() -> None:
    text = "\n".join(dashboards.queries())
    assert unknown_series(text) == set()
    assert set(re.findall(r"winback:\w+:\w+", text)) <= recorded().keys()


def test_every_metric_is_on_a_dashboard() -> None:
    text = "\n".join(dashboards.queries())
    missing = {
        name
        for name in known_series()
        if not name.endswith(("_count", "_sum")) and name not in text
    }
    assert missing == set()


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    """As rules, which promtool parses; Grafana puts an interval in the place of its variable."""
    rules = [
        {"record": f"panel:{number}", "expr": chosen(query)}
        for number, query in enumerate(dashboards.queries())
    ]
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]})
    )
    done = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True
    )
    assert done.returncode == 0 and f"{len(rules)} rules found" in done.stdout, (
        done.stdout + done.stderr
    )


@pytest.mark.parametrize("uid", dashboards.DASHBOARDS)
def test_a_dashboard_is_narrowed_down_by_its_variables(uid: str) -> None:
    made = json.loads(dashboards.built(uid))
    assert [one["name"] for one in made["templating"]["list"]] == ["instance", "organization"]
    asked = [target["expr"] for panel in panels(uid) for target in panel["targets"]]
    of_processes = [expr for expr in asked if re.search(r"\b(winback|process)_", expr)]
    assert [expr for expr in of_processes if 'instance=~"$instance"' not in expr] == []
    by_organization = [expr for expr in asked if "by (organization)" in expr]
    assert [expr for expr in by_organization if 'organization=~"$organization"' not in expr] == []


def test_grafana_is_given_the_dashboards_and_the_prometheus_that_they_ask() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounted = dict(volume.split(":")[:2] for volume in compose["grafana"]["volumes"])
    assert mounted == {
        "./ops/grafana/provisioning": "/etc/grafana/provisioning",
        "./ops/grafana/dashboards": "/etc/grafana/dashboards",
    }
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/winback.yml").read_text())[
        "providers"
    ][0]
    assert provider["options"]["path"] == mounted["./ops/grafana/dashboards"]
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ][0]
    assert (
        source["uid"] == dashboards.SOURCE.uid
        and source["url"] == "http://prometheus:9090"
        and "prometheus" in compose
    )
    home = compose["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).name in {f"{uid}.json" for uid in dashboards.DASHBOARDS}
