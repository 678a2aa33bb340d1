"""Docker, Prometheus and .env.example name what is really there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from shared.logins import LOGINS
from shared.settings import PREFIX, Settings
from winback.serve import Service
from winback.stack import jars
from winback.stack.parts import SERVICES
from winback.stack.ports import PORTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """docker-compose.yml as Docker Compose itself reads it; it refuses what cannot be."""
    return composed("--profile=traces", "--profile=verbs")


def composed(*options: str, **env: str) -> dict[str, Any]:
    """What Docker Compose makes of the files: its services."""
    command = [str(Path(sys.executable).with_name("docker-compose")), *options]
    done = subprocess.run(
        [*command, "config", "--format", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | env,
    )
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def test_what_is_pinned_is_what_the_project_names() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pinned = [
        line
        for line in (ROOT / "requirements" / "main.in").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert sorted(pinned) == sorted(named)


def test_compose_runs_every_service_once_by_the_command_that_serves_it(
    compose: dict[str, Any],
) -> None:
    served = {
        name: service["command"]
        for name, service in compose.items()
        if service["image"].startswith("winback:") and service["command"]
    }
    assert served == {name: ["serve", name] for name in Service}
    assert set(SERVICES) == set(Service)


def test_compose_asks_each_service_on_its_own_port_whether_it_is_ready(
    compose: dict[str, Any],
) -> None:
    for name in Service:
        assert (
            f"'http://127.0.0.1:{PORTS[name]}/readyz'" in compose[name]["healthcheck"]["test"][-1]
        )
        assert compose[name]["environment"][f"{PREFIX}{name.upper()}_PORT"] == str(PORTS[name])


def test_compose_sets_only_settings_that_there_are(compose: dict[str, Any]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in Service:
        assert {key.removesuffix("_FILE") for key in compose[name]["environment"]} <= known


def test_compose_publishes_on_loopback_alone(compose: dict[str, Any]) -> None:
    published = [port for service in compose.values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_compose_lets_only_those_reach_kafka_and_postgresql_who_need_them(
    compose: dict[str, Any],
) -> None:
    def on(network: str) -> set[str]:
        return {name for name, service in compose.items() if network in service["networks"]}

    assert on("default") == set()
    assert on("web") == {"door", "ingest", "console"}
    assert on("kafka") == {"kafka", "migrate", "winback", *Service}
    assert on("database") == {"postgres", "migrate", "winback", *Service} - {"detector"}
    assert on("mail") == {
        "mailpit", "winback", "console", "digest", "sequences", "mail", "alertmanager",
    }  # fmt: skip
    assert {"kafka", "postgres", "mailpit"}.isdisjoint(on("metrics"))


def test_compose_runs_the_project_without_rights_it_does_not_need(compose: dict[str, Any]) -> None:
    for name in ("migrate", "winback", *Service):
        service = compose[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged")
    assert re.search(r"^USER winback$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_compose_passes_secrets_as_files(compose: dict[str, Any]) -> None:
    values = " ".join(
        str(value)
        for service in compose.values()
        for value in (service.get("environment") or {}).values()
    )
    assert "postgresql://" not in values
    of_owner = {"secret", "database-url"} | {
        f"{login.name.removeprefix('winback_')}-database-password" for login in LOGINS
    }
    for name in ("migrate", "winback"):
        assert {secret["source"] for secret in compose[name]["secrets"]} == of_owner


def test_compose_lets_each_service_log_in_as_itself_and_the_detector_not_at_all(
    compose: dict[str, Any],
) -> None:
    urls = {
        login.process: f"{login.name.removeprefix('winback_')}-database-url" for login in LOGINS
    }
    for name in Service:
        service = compose[name]
        assert {secret["source"] for secret in service["secrets"]} == {"secret"} | (
            {urls[name]} if name in urls else set()
        )
        told = {key: value for key, value in service["environment"].items() if "DATABASE" in key}
        assert told == (
            {"WINBACK_DATABASE_URL_FILE": f"/run/secrets/{urls[name]}"} if name in urls else {}
        )
    assert set(Service) - set(urls) == {"detector"}


def test_the_secrets_that_compose_mounts_are_made_once_and_what_is_there_stays(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "ops").mkdir()
    script = shutil.copy(ROOT / "ops" / "secrets.sh", tmp_path / "ops")
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)  # as the version before left them
    (secrets / "secret").write_text("kept")
    (secrets / "database-password").write_text("kept too")
    (secrets / "database-url").write_text("postgresql://winback:kept too@postgres:5432/winback")
    made: list[dict[str, str]] = []
    for _ in range(2):
        subprocess.run(["sh", script], check=True, capture_output=True)
        made.append({file.name: file.read_text() for file in secrets.iterdir()})
    assert made[0] == made[1]
    assert set(made[0]) == {
        secret["source"] for service in compose.values() for secret in service.get("secrets", [])
    }
    assert (made[0]["secret"], made[0]["database-password"]) == ("kept", "kept too")
    for login in LOGINS:
        of = login.name.removeprefix("winback_")
        password = made[0][f"{of}-database-password"]
        assert made[0][f"{of}-database-url"] == (
            f"postgresql://{login.name}:{password}@postgres:5432/winback"
        )
    assert len({text for name, text in made[0].items() if name.endswith("-password")}) == 1 + len(
        LOGINS
    )


def test_compose_bounds_memory_and_logs_of_all_it_runs(compose: dict[str, Any]) -> None:
    unbounded = [name for name, service in compose.items() if "mem_limit" not in service]
    endless = [
        name for name, service in compose.items()
        if service.get("logging", {}).get("options", {}).keys() != {"max-size", "max-file"}
    ]  # fmt: skip
    assert (unbounded, endless) == ([], [])


def test_compose_lets_every_service_run_twice_for_an_upgrade(compose: dict[str, Any]) -> None:
    """None has a port of this machine, or a name, to itself; the detector has a second one."""
    for name in Service:
        assert ("ports" in compose[name]) == (name == "mail"), "MX records lead to one port"
        assert "container_name" not in compose[name]
    second = composed("--profile", "two")["detector-2"]
    assert second["command"] == ["serve", "detector"]
    assert second["environment"]["WINBACK_DETECTOR_ID"] == "detector-2"
    assert second["volumes"][0]["source"] != compose["detector"]["volumes"][0]["source"]
    assert second["networks"]["metrics"]["aliases"] == ["detector"]


def test_the_door_of_compose_leads_to_every_replica() -> None:
    for file, sites in (
        ("Caddyfile", (":8080", ":8081")),
        ("Caddyfile.tls", ("{$WINBACK_CONSOLE_DOMAIN}", "{$WINBACK_INGEST_DOMAIN}")),
    ):
        text = (ROOT / "ops" / "compose" / file).read_text()
        assert [site for site in sites if f"\n{site} {{" not in text] == []
        assert f"replicas console {PORTS['console']}" in text
        assert f"replicas ingest {PORTS['ingest']}" in text


@pytest.mark.parametrize(
    ("overlay", "gone"),
    [
        ("outside-kafka", {"kafka"}),
        ("outside-postgres", {"postgres"}),
        ("outside-both", {"kafka", "postgres"}),
    ],
)
def test_what_comes_from_outside_is_not_started(overlay: str, gone: set[str]) -> None:
    """By settings in .env alone; nothing that is left needs it."""
    found = composed(
        f"--file={ROOT}/docker-compose.yml", f"--file={ROOT}/ops/compose/{overlay}.yml",
        WINBACK_KAFKA="one:9092,two:9092", WINBACK_SMTP_URL="",
    )  # fmt: skip
    assert gone.isdisjoint(found)
    for name in ("migrate", *Service):
        assert gone.isdisjoint(found[name].get("depends_on") or {})
        assert gone.isdisjoint(
            volume["source"] for volume in found[name].get("volumes") or [] if volume["source"]
        )
        environment = found[name]["environment"]
        assert environment["WINBACK_KAFKA"] == "one:9092,two:9092"
        assert environment["WINBACK_SMTP_URL"] == ""


def test_three_brokers_agree_and_keep_three_of_each() -> None:
    found = composed(
        f"--file={ROOT}/docker-compose.yml", f"--file={ROOT}/ops/compose/three-brokers.yml"
    )
    brokers = [found[name]["environment"] for name in ("kafka", "kafka-2", "kafka-3")]
    assert sorted(int(broker["KAFKA_NODE_ID"]) for broker in brokers) == [1, 2, 3]
    for name in (
        "CLUSTER_ID", "KAFKA_CONTROLLER_QUORUM_VOTERS", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"
    ):  # fmt: skip
        assert len({broker[name] for broker in brokers}) == 1
    assert brokers[0]["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "3"
    sources = [found[name]["volumes"][0]["source"] for name in ("kafka", "kafka-2", "kafka-3")]
    assert len(set(sources)) == 3


@pytest.mark.parametrize(
    ("told", "refused"),
    [
        ({}, ""),
        ({"WINBACK_KAFKA": "kafka:29092,kafka-2:29092,kafka-3:29092"}, ""),
        ({"WINBACK_KAFKA": "one.example:9092"}, "WINBACK_KAFKA"),
        ({"WINBACK_KAFKA": "one.example:9092", "WINBACK_PLAINTEXT": "kafka"}, ""),
        ({"WINBACK_SMTP_URL": "smtp://mail.example"}, "WINBACK_SMTP_URL"),
        ({"WINBACK_BASE_URL": "http://winback.example"}, "WINBACK_BASE_URL"),
    ],
)
def test_compose_lets_only_what_it_starts_itself_be_reached_in_the_clear(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, str], refused: str
) -> None:
    for name in ("PLAINTEXT", "KAFKA", "SMTP_URL", "BASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(PREFIX + name, raising=False)
    environment = composed(**told)["console"]["environment"]
    for name in ("PLAINTEXT", "KAFKA", "SMTP_URL", "BASE_URL"):
        monkeypatch.setenv(PREFIX + name, environment[PREFIX + name])
    monkeypatch.setenv("WINBACK_DATABASE_URL", "postgresql://w:p@postgres:5432/winback")
    if refused:
        with pytest.raises(ValidationError, match=refused.removeprefix(PREFIX).lower()):
            Settings()
    else:
        Settings()


def test_every_process_of_compose_has_the_authority_of_kafka_that_is_named() -> None:
    found = composed(
        f"--file={ROOT}/docker-compose.yml", f"--file={ROOT}/ops/compose/outside-kafka.yml",
        f"--file={ROOT}/ops/compose/kafka-ca.yml", "--profile=verbs", "--profile=two",
        WINBACK_KAFKA="one:9092", KAFKA_CA="/tmp/ca.pem",
    )  # fmt: skip
    for name in ("migrate", "winback", "detector-2", *Service):
        file = found[name]["environment"]["WINBACK_KAFKA_CA_FILE"]
        assert {"/tmp/ca.pem": file}.items() <= {
            one["source"]: one["target"] for one in found[name]["volumes"]
        }.items()


def test_tls_is_at_the_usual_ports() -> None:
    found = composed(
        f"--file={ROOT}/docker-compose.yml", f"--file={ROOT}/ops/compose/tls.yml",
        WINBACK_CONSOLE_DOMAIN="winback.example", WINBACK_INGEST_DOMAIN="orders.example",
    )  # fmt: skip
    assert [port["published"] for port in found["door"]["ports"]] == ["80", "443"]
    assert found["door"]["volumes"][0]["source"].endswith("ops/compose/Caddyfile.tls")


def test_systemd_reads_the_units(tmp_path: Path) -> None:
    """As they are, but for where the programs are."""
    programs = Path(sys.executable).parent
    for unit in (ROOT / "ops" / "systemd").iterdir():
        text = unit.read_text().replace("/opt/winback/bin/winback ", f"{programs}/winback ")
        text = text.replace("/opt/winback/ops/", f"{ROOT}/ops/")
        name = unit.name.replace("winback@.", "winback@ingest.")
        (tmp_path / name).write_text(text)
    units = sorted(tmp_path.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True
    )
    ours = [line for line in done.stderr.splitlines() if "winback" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_version_is_one_everywhere(compose: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((ROOT / "ops" / "helm" / "winback" / "Chart.yaml").read_text())
    newest = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert {chart["version"], chart["appVersion"], newest[1]} == {version}
    assert {compose[name]["image"] for name in Service} == {f"winback:{version}"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "winback", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"winback {version}\n")
    image = (ROOT / "Dockerfile").read_text()
    for label in ("version", "revision", "licenses", "title", "description"):
        assert f"org.opencontainers.image.{label}=" in image


def test_compose_runs_the_kafka_that_is_tested_here(compose: dict[str, Any]) -> None:
    kafka = next(jar.version for jar in jars.locked() if jar.artifact == "kafka_2.13")
    assert compose["kafka"]["image"] == f"apache/kafka:{kafka}"


def test_prometheus_scrapes_every_service() -> None:
    """By name: every replica is an address of it."""
    config = yaml.safe_load((ROOT / "ops" / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert {
        (name, found["port"]) for found in job["dns_sd_configs"] for name in found["names"]
    } == {(name.value, PORTS[name]) for name in Service}


def test_prometheus_keeps_what_its_rules_look_back_on(compose: dict[str, Any]) -> None:
    words = [word.partition("=") for word in compose["prometheus"]["command"]]
    kept = next(value for option, _, value in words if option == "--storage.tsdb.retention.time")
    rules = "".join(
        (ROOT / "ops" / "prometheus" / file).read_text()
        for file in ("alerts.yml", "objectives.yml")
    )
    days = max(int(found) for found in re.findall(r"\[(\d+)d\]", rules))
    assert days == 30 and int(kept.removesuffix("d")) > days


def test_alerts_reach_somebody(compose: dict[str, Any]) -> None:
    """Alertmanager can read its configuration, and Prometheus knows where it is."""
    config = yaml.safe_load((ROOT / "ops" / "prometheus" / "prometheus.yml").read_text())
    (manager,) = config["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    assert "alertmanager" in compose
    file = ROOT / "ops" / "alertmanager" / "alertmanager.yml"
    done = subprocess.run(["amtool", "check-config", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for alert, receiver in (
        ("alertname=ServiceDown severity=page", "pager"),
        ("alertname=DiskLow severity=ticket", "tickets"),
        ("alertname=Watchdog severity=none", "deadmansswitch"),
    ):
        asked = ["amtool", "config", "routes", "test", f"--config.file={file}", *alert.split()]
        found = subprocess.run(asked, capture_output=True, text=True)
        assert found.stdout.strip() == receiver


def test_env_example_lists_every_setting_with_its_default_and_meaning() -> None:
    text = (ROOT / ".env.example").read_text()
    defaults = {
        name: field.get_default(call_default_factory=True, validated_data={})
        for name, field in Settings.model_fields.items()
    }
    wanted = {
        f"# {field.description}\n#{PREFIX}{name.upper()}={defaults[name]}\n"
        for name, field in Settings.model_fields.items()
    }
    assert [entry for entry in wanted if entry not in text] == []
    assert len(re.findall(r"^#WINBACK_", text, re.MULTILINE)) == len(wanted)
