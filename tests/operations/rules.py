"""What is in ops/prometheus and in the metrics, read once for the tests."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.metrics import MetricWrapperBase

from shared import metrics

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "ops" / "prometheus"
ALWAYS = {"Watchdog"}  # it fires while alerts get out at all
SERIES = re.compile(r"\bwinback_\w+")


@cache
def groups(file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
    return found


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in groups("alerts.yml") for rule in group["rules"]}


def recorded() -> dict[str, dict[str, Any]]:
    return {rule["record"]: rule for group in groups("objectives.yml") for rule in group["rules"]}


@cache
def known_series() -> frozenset[str]:
    """Every name that a process serves: a histogram is three."""
    names: set[str] = set()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            about = next(iter(metric.describe()))
            suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(
                about.type, ("",)
            )
            names |= {about.name + suffix for suffix in suffixes}
    return frozenset(names)


def unknown_series(text: str) -> set[str]:
    """Names in a query that nothing serves."""
    return set(SERIES.findall(text)) - known_series()
