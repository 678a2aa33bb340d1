"""The Helm chart: linted and rendered by Helm itself, and held against the processes that run.

Helm is the one on the PATH; else Go builds it, once, into the user's cache.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings import PREFIX, Settings
from tests.repo.tree import ROOT
from winback.serve import Service
from winback.stack.ports import PORTS

pytestmark = pytest.mark.slow

CHART = ROOT / "ops" / "helm" / "winback"
MODULE = "helm.sh/helm/v3/cmd/helm@v3.18.6"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "winback" / "helm-3.18.6"
# built by Go, Helm takes the cluster for one of years ago
KUBERNETES = "--kube-version=1.30.0"
ALL_OF_IT = (
    KUBERNETES,
    "--set=ingress.enabled=true,ingress.tlsSecret=tls,podMonitor.enabled=true",
)

Rendered = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def helm() -> str:
    found = shutil.which("helm") or shutil.which(CACHE / "helm")
    if found is not None:
        return found
    if shutil.which("go") is None:
        pytest.skip("neither helm nor go is on this machine: the chart cannot be rendered")
    env = os.environ | {"GOBIN": str(CACHE), "GOFLAGS": "-p=2"}
    done = subprocess.run(["go", "install", MODULE], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return str(CACHE / "helm")


@pytest.fixture(scope="module")
def rendered(helm: str) -> Rendered:
    """(kind, name) -> the object."""
    done = subprocess.run(
        [helm, "template", "wb", CHART, *ALL_OF_IT], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    objects = [one for one in yaml.safe_load_all(done.stdout) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def test_helm_finds_nothing_wrong(helm: str) -> None:
    done = subprocess.run(
        [helm, "lint", "--strict", KUBERNETES, CHART], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_process_is_deployed_by_its_command_at_its_port(rendered: Rendered) -> None:
    for name in Service:
        kind = "StatefulSet" if name == Service.DETECTOR else "Deployment"
        (container,) = rendered[kind, f"wb-{name}"]["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["serve", name]
        assert container["ports"][0]["containerPort"] == PORTS[name]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["resources"]["limits"]["memory"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        told = {one["name"] for one in container["env"]}
        assert told <= {PREFIX + setting.upper() for setting in Settings.model_fields}
        assert ("WINBACK_DATABASE_URL" in told) == (name != Service.DETECTOR)
        assert rendered["Service", f"wb-{name}"]["spec"]["ports"][0]["port"] == PORTS[name]


def test_an_upgrade_migrates_first_and_leaves_no_gap(rendered: Rendered) -> None:
    migrate = rendered["Job", "wb-migrate"]
    assert migrate["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    told = {one["name"] for one in migrate["spec"]["template"]["spec"]["containers"][0]["env"]}
    passwords = {
        PREFIX + setting.upper()
        for setting in Settings.model_fields
        if setting.endswith("_database_password")
    }
    assert passwords | {"WINBACK_DATABASE_URL"} <= told
    strategies = [
        one["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"]
        for (kind, _), one in rendered.items()
        if kind == "Deployment"
    ]
    assert strategies == [0] * (len(Service) - 1)


def test_every_process_comes_to_kafka_as_the_values_say(helm: str, rendered: Rendered) -> None:
    """As they stand: in the clear to one host that is named. With an authority of one's own: each
    container has its certificate.
    """
    done = subprocess.run(
        [helm, "template", "wb", CHART, *ALL_OF_IT, "--set=kafkaCaSecret=authority"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    secured = [one for one in yaml.safe_load_all(done.stdout) if one]
    kinds = ("Deployment", "StatefulSet", "Job")
    pods = [one["spec"]["template"]["spec"] for one in secured if one["kind"] in kinds]
    assert len(pods) == len(Service) + 1
    for pod in pods:
        (container,) = pod["containers"]
        env = {one["name"]: one for one in container["env"]}
        assert {"WINBACK_KAFKA_USERNAME", "WINBACK_KAFKA_PASSWORD"} <= env.keys()
        mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        assert env["WINBACK_KAFKA_CA_FILE"]["value"] == f"{mounted['kafka-ca']}/ca.crt"
        volumes = {one["name"]: one for one in pod["volumes"]}
        assert volumes["kafka-ca"]["secret"]["secretName"] == "authority"
    for (kind, _), one in rendered.items():
        if kind in kinds:
            (container,) = one["spec"]["template"]["spec"]["containers"]
            env = {told["name"]: told.get("value") for told in container["env"]}
            assert (env["WINBACK_KAFKA"], env["WINBACK_PLAINTEXT"]) == ("kafka:9092", "kafka=kafka")
            assert "WINBACK_KAFKA_CA_FILE" not in env


def test_the_outside_reaches_pages_and_orders_alone(rendered: Rendered) -> None:
    rules = rendered["Ingress", "wb"]["spec"]["rules"]
    assert [
        (path["path"], path["backend"]["service"]["name"])
        for rule in rules
        for path in rule["http"]["paths"]
    ] == [("/", "wb-console"), ("/v1", "wb-ingest")]
