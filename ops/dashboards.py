"""Grafana's dashboards, from the tables below; `python -m ops.dashboards` writes
them into ops/grafana/dashboards/.

A panel is a title, what it should make somebody think, a unit, and queries with their legend. Every
metric of `shared/metrics.py` is on one of them.
"""

from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, ThresholdsConfig
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
)

FOLDER = Path(__file__).parent / "grafana" / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
WIDTH, HEIGHT = 8, 7  # of 24 columns


@dataclass(frozen=True)
class Panel:
    """queries: (PromQL, legend). bad_from: of a single number; from there on it is red."""

    title: str
    about: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    bad_from: float | None = None


def rate(metric: str, *by: str) -> str:
    return (
        f"sum by ({', '.join(by)}) (rate({metric}[$__rate_interval]))"
        if by
        else f"sum(rate({metric}[$__rate_interval]))"
    )


def quantiles(metric: str, *by: str) -> tuple[tuple[str, str], ...]:
    """Median and 99th of a histogram."""
    labels = "".join(f" {{{{{label}}}}}" for label in by)
    inner = rate(f"{metric}_bucket", "le", *by)
    return tuple(
        (f"histogram_quantile({q}, {inner})", f"{name}{labels}")
        for q, name in ((0.5, "median"), (0.99, "99 %"))
    )


def highest(metric: str, *by: str) -> str:
    return f"max by ({', '.join(by)}) ({metric})" if by else f"max({metric})"


OVERVIEW = {
    "Is anything wrong?": (
        Panel(
            "Alerts firing",
            "None is well. docs/operations.md says what to do at each.",
            "short",
            (('count(ALERTS{alertstate="firing"}) or vector(0)', ""),),
            bad_from=1,
        ),
        Panel(
            "Processes down",
            "Prometheus gets no answer.",
            "short",
            (('count(up{job="winback"} == 0) or vector(0)', ""),),
            bad_from=1,
        ),
        Panel(
            "Not ready",
            "They live and do no work: their /readyz says why.",
            "short",
            (("count(winback_ready == 0) or vector(0)", ""),),
            bad_from=1,
        ),
        Panel(
            "Alerts",
            "Which, since when.",
            "short",
            (('sum by (alertname) (ALERTS{alertstate="firing"})', "{{alertname}}"),),
        ),
        Panel(
            "Clocks that lead",
            "One. None: nothing is scheduled.",
            "short",
            (("sum(winback_clock_leads)", "lead"),),
        ),
        Panel(
            "Another log than the one that was read",
            "Zero. Else Kafka came back older, and nothing is taken.",
            "short",
            ((highest("winback_log_differs", "consumer"), "{{consumer}}"),),
            bad_from=1,
        ),
        Panel(
            "Differences to the second opinion",
            "Zero. Else somebody is told something wrong.",
            "short",
            ((highest("winback_audit_differences", "organization"), "{{organization}}"),),
        ),
    ),
    "Objectives": (
        Panel(
            "Ingest failed, 30 days",
            "Target: below 0.1 %.",
            "percentunit",
            (("winback:ingest_failed:ratio_rate30d", ""),),
            bad_from=0.001,
        ),
        Panel(
            "Seen late, 30 days",
            "More than 10 s after acceptance. Target: below 1 %.",
            "percentunit",
            (("winback:persisted_late:ratio_rate30d", ""),),
            bad_from=0.01,
        ),
        Panel(
            "Digest mails late, 30 days",
            "More than 15 minutes after the slot. Target: below 1 %.",
            "percentunit",
            (("winback:digest_late:ratio_30d", ""),),
            bad_from=0.01,
        ),
        Panel(
            "Ingest failed",
            "Burns the budget at 14.4 times: 1.44 %.",
            "percentunit",
            (
                ("winback:ingest_failed:ratio_rate5m", "5 min"),
                ("winback:ingest_failed:ratio_rate1h", "1 h"),
                ("winback:ingest_failed:ratio_rate6h", "6 h"),
            ),
        ),
        Panel(
            "Seen late",
            "Burns the budget at 14.4 times: 14.4 %.",
            "percentunit",
            (
                ("winback:persisted_late:ratio_rate5m", "5 min"),
                ("winback:persisted_late:ratio_rate1h", "1 h"),
                ("winback:persisted_late:ratio_rate6h", "6 h"),
            ),
        ),
        Panel(
            "Digest mails late",
            "Of a day.",
            "percentunit",
            (("winback:digest_late:ratio_1d", "1 day"),),
        ),
    ),
    "Feeds": (
        Panel(
            "Age of the newest order",
            "Above the line it is stale: everyone slowly looks dormant.",
            "s",
            (
                (
                    "time() - max by (organization) (winback_last_order_timestamp_seconds)",
                    "{{organization}}",
                ),
                ("max(winback_feed_stale_after_seconds)", "stale"),
            ),
        ),
        Panel(
            "Orders accepted",
            "A stop: the feed is silent. Imports do not show here.",
            "ops",
            ((rate("winback_orders_accepted_total", "source"), "{{source}}"),),
        ),
        Panel(
            "Orders refused",
            "By the field that was wrong.",
            "ops",
            ((rate("winback_orders_refused_total", "source", "field"), "{{source}} {{field}}"),),
        ),
    ),
}

STREAM = {
    "Ingest": (
        Panel(
            "Requests",
            "failed is ours, refused the sender's.",
            "reqps",
            ((rate("winback_ingest_requests_total", "outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Time to answer",
            "A climb: Kafka confirms slowly.",
            "s",
            quantiles("winback_ingest_request_seconds"),
        ),
        Panel(
            "Acceptance to PostgreSQL",
            "What people see is so old.",
            "s",
            quantiles("winback_persisted_seconds", "topic"),
        ),
    ),
    "Consumers": (
        Panel(
            "Records handled",
            "A stop while records wait: it hangs.",
            "ops",
            ((rate("winback_records_total", "consumer", "topic"), "{{consumer}} {{topic}}"),),
        ),
        Panel(
            "Lag",
            "Age of the record handled last.",
            "s",
            ((highest("winback_lag_seconds", "consumer", "topic"), "{{consumer}} {{topic}}"),),
        ),
        Panel(
            "Records that wait",
            "As the consumer sees it, and from outside.",
            "short",
            (
                ("sum by (consumer, topic) (winback_lag_records)", "{{consumer}} {{topic}}"),
                (
                    "sum by (consumer, topic) (winback_unread_records)",
                    "{{consumer}} {{topic}} outside",
                ),
            ),
        ),
        Panel(
            "Standing still",
            "While records wait.",
            "s",
            ((highest("winback_stuck_seconds", "consumer", "topic"), "{{consumer}} {{topic}}"),),
        ),
        Panel(
            "Held, or missing",
            "Partitions that fail, raw topics that are not there.",
            "short",
            (
                (
                    "sum by (consumer, topic) (winback_partition_failing)",
                    "{{consumer}} {{topic}} fails",
                ),
                ("max by (topic) (winback_raw_topic_missing)", "{{topic}} is missing"),
            ),
        ),
        Panel(
            "Dead letters",
            "winback dead-letters list.",
            "short",
            (
                (
                    "sum by (topic) (increase(winback_dead_letters_total[$__rate_interval]))",
                    "{{topic}}",
                ),
                ("max by (topic) (winback_dead_letter_offset)", "{{topic}} ever"),
            ),
        ),
        Panel(
            "Skipped",
            "Of organizations that do not exist here.",
            "ops",
            (
                (
                    rate("winback_records_skipped_total", "consumer", "topic"),
                    "{{consumer}} {{topic}}",
                ),
            ),
        ),
    ),
    "Detector": (
        Panel(
            "Signal events",
            "A spike of opened: thresholds, or a dead feed.",
            "ops",
            (
                (
                    rate("winback_signal_events_total", "signal_type", "event"),
                    "{{signal_type}} {{event}}",
                ),
            ),
        ),
        Panel(
            "Checkpoints",
            "A climb: broker or disk are slow.",
            "s",
            quantiles("winback_checkpoint_seconds"),
        ),
        Panel("Runs", "In the detector.", "s", quantiles("winback_run_seconds")),
        Panel(
            "Accounts in memory",
            "At the bound it reads from disk.",
            "short",
            (("sum(winback_detector_cached_accounts)", "accounts"),),
        ),
    ),
    "What it stands on": (
        Panel(
            "Disks, free",
            "Ticket below 15 %, page below 5 %.",
            "percentunit",
            (("min by (disk) (winback_disk_free_bytes / winback_disk_size_bytes)", "{{disk}}"),),
        ),
        Panel(
            "Partitions that lack something",
            "Zero.",
            "short",
            ((highest("winback_kafka_partitions", "state"), "{{state}}"),),
        ),
        Panel("Brokers", "All of them.", "short", ((highest("winback_kafka_brokers"), "brokers"),)),
        Panel(
            "Clock against PostgreSQL",
            "Within seconds.",
            "s",
            ((highest("abs(winback_clock_skew_seconds)"), "skew"),),
        ),
        Panel(
            "Not watched since",
            "Seconds; a climb makes this row blind.",
            "s",
            (("time() - max(winback_watched_timestamp_seconds)", "seconds"),),
        ),
    ),
}

DIGESTS = {
    "Runs and slots": (
        Panel(
            "Runs pending",
            "A number that stays: detector or import hold them.",
            "short",
            (
                (highest("winback_runs_pending"), "runs"),
                (highest("winback_imports_running"), "imports"),
            ),
        ),
        Panel(
            "Oldest run pending",
            "Digests wait for it.",
            "s",
            ((highest("winback_run_oldest_pending_seconds"), "age"),),
        ),
        Panel(
            "Slots",
            "Fired, given up, late.",
            "short",
            (
                (
                    "sum by (kind) (increase(winback_slots_fired_total[$__rate_interval]))",
                    "{{kind}} fired",
                ),
                (
                    "sum by (kind) (increase(winback_slots_dropped_total[$__rate_interval]))",
                    "{{kind}} given up",
                ),
                ("sum(increase(winback_digests_late_total[$__rate_interval]))", "digest late"),
            ),
        ),
    ),
    "Mail": (
        Panel(
            "Outbox",
            "queued or retry that stay: the mail server refuses.",
            "short",
            ((highest("winback_outbox_mails", "outbox", "state"), "{{outbox}} {{state}}"),),
        ),
        Panel(
            "Oldest mail",
            "A climb: mail does not leave.",
            "s",
            ((highest("winback_outbox_oldest_seconds", "outbox"), "{{outbox}}"),),
        ),
        Panel(
            "Handed over",
            "By what came of it.",
            "short",
            (
                (
                    "sum by (outbox, state) (increase(winback_mails_total[$__rate_interval]))",
                    "{{outbox}} {{state}}",
                ),
                (
                    "sum by (outbox) (increase(winback_mails_ambiguous_total[$__rate_interval]))",
                    "{{outbox}} ambiguous",
                ),
            ),
        ),
        Panel(
            "Slot to hand-over",
            "Target: 15 minutes.",
            "s",
            quantiles("winback_mail_delay_seconds", "outbox"),
        ),
        Panel(
            "Newest digest",
            "Its age by organization.",
            "s",
            (
                (
                    "time() - max by (organization) "
                    "(winback_digest_last_success_timestamp_seconds)",
                    "{{organization}}",
                ),
            ),
        ),
    ),
    "Drafts": (
        Panel(
            "Drafts",
            "By type of signal.",
            "short",
            (
                (
                    "sum by (signal_type) (increase(winback_drafts_total[$__rate_interval]))",
                    "{{signal_type}}",
                ),
            ),
        ),
        Panel(
            "Skipped",
            "By reason.",
            "short",
            (
                (
                    "sum by (reason) "
                    "(increase(winback_enrollments_skipped_total[$__rate_interval]))",
                    "{{reason}}",
                ),
            ),
        ),
    ),
}

DASHBOARDS = {
    "winback-overview": ("Winback", OVERVIEW),
    "winback-stream": ("Winback · the stream", STREAM),
    "winback-digests": ("Winback · runs, digests, mail", DIGESTS),
}


def built(uid: str) -> str:
    """One dashboard as Grafana reads it."""
    title, rows = DASHBOARDS[uid]
    made = (
        Dashboard(title)
        .uid(uid)
        .tags(["winback"])
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
    )
    made.link(DashboardLink("Dashboards").type(DashboardLinkType.DASHBOARDS).tags(["winback"]))
    number = 0
    for heading, panels in rows.items():
        made.with_row(dashboard.Row(heading))
        for panel in panels:
            number += 1
            made.with_panel(drawn(panel, number))
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def drawn(panel: Panel, number: int) -> timeseries.Panel | stat.Panel:
    """One number where there is something to be held against, else lines over time."""
    made: timeseries.Panel | stat.Panel = (
        timeseries.Panel().min(0) if panel.bad_from is None else stat.Panel()
    )
    if panel.bad_from is not None:
        steps = [Threshold(value=None, color="green"), Threshold(value=panel.bad_from, color="red")]
        made.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    made.id(number).title(panel.title).description(panel.about).unit(panel.unit).span(WIDTH).height(
        HEIGHT
    ).datasource(SOURCE)
    for letter, (query, legend) in zip("ABCDEF", panel.queries, strict=False):
        made.with_target(prometheus.Dataquery().ref_id(letter).expr(query).legend_format(legend))
    return made


def queries() -> list[str]:
    """Every query of every panel."""
    return [
        query
        for _, rows in DASHBOARDS.values()
        for panels in rows.values()
        for panel in panels
        for query, _ in panel.queries
    ]


if __name__ == "__main__":
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(built(name), encoding="utf-8")
