"""Grafana's dashboards, from the tables below; `python -m ops.dashboards` writes
them into ops/grafana/dashboards/.

A panel is a title, what it should make somebody think, a unit, and queries with their legend. Every
metric of `shared/metrics.py` is on one of them. Two variables narrow all panels down: `instance`,
one process of several, and `organization`, where a metric knows it.
"""

import re
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
    VariableRefresh,
)

FOLDER = Path(__file__).parent / "grafana" / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
WIDTH, HEIGHT = 8, 7  # of 24 columns

# the variables, by the label that each is; its values are those of a series that always has some
VARIABLES = {
    "instance": "winback_ready",
    "organization": "winback_last_order_timestamp_seconds",
}
BY_ORGANIZATION = {
    "winback_last_order_timestamp_seconds",
    "winback_audit_differences",
    "winback_digest_last_success_timestamp_seconds",
}
MEASURED = re.compile(r"\b((?:winback|process)_\w+)(?:\{([^}]*)\})?")
WEEK_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class Panel:
    """queries: (PromQL, legend). bad_from: of a single number; from there on it is red."""

    title: str
    about: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    bad_from: float | None = None
    least: float | None = 0  # where the lines' axis begins


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
            "Access refused",
            "Sign-ins, tokens, forms and pages, an hour. A burst: somebody tries.",
            "short",
            (
                (
                    'sum by (kind) (increase(winback_security_events_total{kind=~"sign-in refused'
                    '|token refused|forged form|forbidden|not signed in"}[1h]))',
                    "{{kind}}",
                ),
            ),
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
            "Quarantined",
            "Records that ended a process three times; and signals whose sums are beyond bounds.",
            "short",
            (
                (
                    "sum by (topic, consumer) "
                    "(increase(winback_quarantined_total[$__rate_interval]))",
                    "{{consumer}} {{topic}}",
                ),
                (
                    "sum(increase(winback_saturated_signals_total[$__rate_interval]))",
                    "sums saturated",
                ),
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
            "Links to sign in",
            "By what came of their mail. failed: nobody gets in by mail.",
            "short",
            (
                (
                    "sum by (outcome) (increase(winback_sign_in_mails_total[$__rate_interval]))",
                    "{{outcome}}",
                ),
            ),
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
    "Letters": (
        Panel(
            "Stopped",
            "By reason.",
            "short",
            (
                (
                    "sum by (reason) "
                    "(increase(winback_enrollments_stopped_total[$__rate_interval]))",
                    "{{reason}}",
                ),
                (
                    "sum(increase(winback_outreach_after_stop_total[$__rate_interval]))",
                    "after a stop",
                ),
            ),
        ),
        Panel(
            "Order to stop",
            "Target: a second.",
            "s",
            quantiles("winback_outreach_stop_seconds"),
        ),
        Panel(
            "Paused by a guard",
            "By why.",
            "short",
            ((highest("winback_sending_paused", "why"), "{{why}}"),),
        ),
        Panel(
            "What came back",
            "By what it is.",
            "short",
            (
                (
                    "sum by (kind) (increase(winback_received_mails_total[$__rate_interval]))",
                    "{{kind}}",
                ),
            ),
        ),
        Panel(
            "Not taken at the door",
            "By why.",
            "short",
            (
                (
                    "sum by (why) (increase(winback_door_refused_total[$__rate_interval]))",
                    "{{why}}",
                ),
            ),
        ),
        Panel(
            "Age of the last test mail",
            "Of the organization that waits longest; letters wait from a failed one on.",
            "s",
            (("time() - min(winback_round_trip_timestamp_seconds > 0)", "age"),),
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

PROCESSES = {
    "Processes": (
        Panel(
            "CPU",
            "Seconds a second; one core is 1.",
            "short",
            (
                (
                    'sum by (service) (rate(process_cpu_seconds_total{job="winback"}'
                    "[$__rate_interval]))",
                    "{{service}}",
                ),
            ),
        ),
        Panel(
            "Memory",
            "Resident. A climb over days: a leak.",
            "bytes",
            (
                (
                    'max by (service) (process_resident_memory_bytes{job="winback"})',
                    "{{service}}",
                ),
            ),
        ),
        Panel(
            "Open files",
            "Of those that it may have.",
            "percentunit",
            (
                (
                    'max by (service) (process_open_fds{job="winback"} '
                    '/ process_max_fds{job="winback"})',
                    "{{service}}",
                ),
            ),
        ),
        Panel(
            "Started again",
            "Within the last hour. Three times in 15 minutes is an alert.",
            "short",
            (
                (
                    'max by (service) (changes(process_start_time_seconds{job="winback"}[1h]))',
                    "{{service}}",
                ),
            ),
        ),
        Panel(
            "Running since",
            "Seconds.",
            "s",
            (
                (
                    'time() - max by (service) (process_start_time_seconds{job="winback"})',
                    "{{service}}",
                ),
            ),
        ),
        Panel(
            "Ready",
            "1: it does its work. A detector that restores its state is 0 until it is done.",
            "short",
            (("min by (service) (winback_ready)", "{{service}}"),),
        ),
    ),
    "Backups and restores": (
        Panel(
            "Age of the newest backup",
            "A ticket after 26 hours.",
            "s",
            (("time() - max by (store) (winback_backup_timestamp_seconds)", "{{store}}"),),
        ),
        Panel(
            "Waiting for the WAL archive",
            "What people did since is in no backup. A page after 15 minutes.",
            "s",
            ((highest("winback_wal_unarchived_seconds"), "seconds"),),
        ),
        Panel(
            "To be read again",
            "After a restore: what consumers still have before them.",
            "short",
            (("sum by (consumer) (winback_unread_records)", "{{consumer}}"),),
        ),
        Panel(
            "Since old records were handled on purpose",
            "An import, a replay, a restore: freshness is history's meanwhile.",
            "s",
            (("time() - max(winback_history_timestamp_seconds > 0)", "seconds"),),
        ),
        Panel(
            "Since Kafka confirmed a record",
            "Seconds. Half a minute: orders are refused.",
            "s",
            (("time() - max(winback_kafka_written_timestamp_seconds)", "seconds"),),
        ),
    ),
    "Disks": (
        Panel(
            "Free, and in a week",
            "As it went in the last six hours. Below zero: it is full by then.",
            "bytes",
            (
                ("min by (disk) (winback_disk_free_bytes)", "{{disk}}"),
                (
                    f"min by (disk) (predict_linear(winback_disk_free_bytes[6h], {WEEK_SECONDS}))",
                    "{{disk}} in a week",
                ),
            ),
            least=None,
        ),
        Panel(
            "Size",
            "Of the same disks.",
            "bytes",
            (("max by (disk) (winback_disk_size_bytes)", "{{disk}}"),),
        ),
    ),
}

DASHBOARDS = {
    "winback-overview": ("Winback", OVERVIEW),
    "winback-stream": ("Winback · the stream", STREAM),
    "winback-digests": ("Winback · runs, digests, mail", DIGESTS),
    "winback-processes": ("Winback · processes, backups, disks", PROCESSES),
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
    for label, series in VARIABLES.items():
        made.with_variable(
            dashboard.QueryVariable(label)
            .label(label)
            .datasource(SOURCE)
            .query(f"label_values({series}, {label})")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(True)
            .all_value(".*")
            .multi(True)
        )
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
        timeseries.Panel() if panel.bad_from is None else stat.Panel()
    )
    if panel.bad_from is None and panel.least is not None:
        made.min(panel.least)
    if panel.bad_from is not None:
        steps = [Threshold(value=None, color="green"), Threshold(value=panel.bad_from, color="red")]
        made.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    made.id(number).title(panel.title).description(panel.about).unit(panel.unit).span(WIDTH).height(
        HEIGHT
    ).datasource(SOURCE)
    for letter, (query, legend) in zip("ABCDEF", panel.queries, strict=False):
        made.with_target(
            prometheus.Dataquery().ref_id(letter).expr(scoped(query)).legend_format(legend)
        )
    return made


def scoped(query: str) -> str:
    """Of the instances and organizations that are chosen."""

    def narrowed(found: re.Match[str]) -> str:
        metric, given = found.groups()
        own = ['instance=~"$instance"']
        own += ['organization=~"$organization"'] if metric in BY_ORGANIZATION else []
        return f"{metric}{{{', '.join([given] * bool(given) + own)}}}"

    return MEASURED.sub(narrowed, query)


def queries() -> list[str]:
    """Every query of every panel, with its variables."""
    return [
        scoped(query)
        for _, rows in DASHBOARDS.values()
        for panels in rows.values()
        for panel in panels
        for query, _ in panel.queries
    ]


if __name__ == "__main__":
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(built(name), encoding="utf-8")
