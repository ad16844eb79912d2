"""A ServiceMonitor appears with its kind, without a restart; until then nobody misses it."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_access import OPERATOR, SYSTEM, TINY, Cluster, eventually, model_server

pytestmark = pytest.mark.cluster

MODULE = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
CRD = "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"
KIND = "servicemonitors.monitoring.coreos.com"
NAME = "watched"


@pytest.fixture(scope="module")
def crd() -> Path:
    """The definition of the kind, as the Prometheus operator's own module has it."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["go", "mod", "download", "-json", MODULE],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    return Path(json.loads(done.stdout)["Dir"]) / CRD


@pytest.fixture
def without_the_kind(cluster: Cluster) -> Iterator[None]:
    """No ServiceMonitors before, and none after."""
    remove = ("delete", "crd", KIND, "--ignore-not-found", "--timeout=30s")
    cluster.kubectl(*remove)
    yield
    cluster.kubectl(*remove)


def operators(cluster: Cluster) -> list[tuple[str, int]]:
    """Tell the operator's processes apart: another pod or a restart makes another answer."""
    pods = cluster.listing(SYSTEM, "pods", f"app.kubernetes.io/name={OPERATOR}")
    return sorted(
        (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
    )


@pytest.mark.usefixtures("without_the_kind")
def test_the_monitor_comes_and_goes_with_its_kind(
    cluster: Cluster, namespace: str, crd: Path
) -> None:
    """Absent without complaint, there within 60 s, healed in 2 s, gone when it is not wanted."""
    spec = {"replicas": 1, "resources": TINY, "rollout": {"minReadySeconds": 0}}
    cluster.apply(namespace, model_server(NAME, **spec))
    cluster.wait_ready(namespace, NAME, 90)
    accepted = cluster.condition(namespace, NAME, "Accepted")
    assert accepted["status"] == "True"
    before = operators(cluster)

    cluster.kubectl("apply", "--server-side", "-f", str(crd))
    eventually(lambda: _is_served(cluster), 20)
    eventually(lambda: _uid(cluster, namespace), 60)
    monitor = cluster.get(namespace, KIND, NAME) or {}
    [endpoint] = monitor["spec"]["endpoints"]
    service = cluster.get(namespace, "service", NAME) or {}
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}

    uid = _uid(cluster, namespace)
    cluster.kubectl("-n", namespace, "delete", KIND, NAME, "--wait=false")
    eventually(lambda: _uid(cluster, namespace) not in (None, uid), 2)
    edit = '[{"op": "replace", "path": "/spec/endpoints/0/path", "value": "/nowhere"}]'
    cluster.kubectl("-n", namespace, "patch", KIND, NAME, "--type=json", "-p", edit)
    eventually(
        lambda: (
            (cluster.get(namespace, KIND, NAME) or {})["spec"]["endpoints"][0]["path"] == "/metrics"
        ),
        2,
    )

    cluster.apply(namespace, model_server(NAME, monitoring={"policy": "Never"}, **spec))
    eventually(lambda: _uid(cluster, namespace) is None, 10)
    cluster.apply(namespace, model_server(NAME, monitoring={"policy": "Always"}, **spec))
    eventually(lambda: _uid(cluster, namespace), 10)

    cluster.kubectl("delete", "crd", KIND, "--timeout=30s")
    eventually(
        lambda: (
            cluster.condition(namespace, NAME, "Accepted").get("reason") == "MonitoringUnavailable"
        ),
        60,
        lambda: str(cluster.condition(namespace, NAME, "Accepted")),
    )
    cluster.apply(namespace, model_server(NAME, **spec))
    cluster.wait_ready(namespace, NAME, 20)
    assert operators(cluster) == before


def _is_served(cluster: Cluster) -> bool:
    """Say whether the API server tells kubectl of the kind, which takes it a moment."""
    return cluster.kubectl("get", KIND, "--all-namespaces", check=False).returncode == 0


def _uid(cluster: Cluster, namespace: str) -> str | None:
    """Tell this ServiceMonitor from the next; None where there is none."""
    monitor = cluster.get(namespace, KIND, NAME)
    return monitor and str(monitor["metadata"]["uid"])
