"""The tutorial, from its first block to its last, on the real cluster."""

from pathlib import Path

import pytest
from cluster_access import Cluster

import tutorial
from runtime.programs import free_port

pytestmark = pytest.mark.cluster


def test_from_fit_to_a_prediction_in_the_cluster(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    """In a namespace of its own, with a kubeconfig that says so; then a newer model."""
    config = tmp_path / "kubeconfig"
    config.write_text(cluster.kubectl("config", "view", "--raw").stdout)
    environment = cluster.environment | {"KUBECONFIG": str(config)}
    (tmp_path / "work").mkdir()
    Cluster(environment).kubectl("config", "set-context", "--current", f"--namespace={namespace}")
    chosen = tutorial.blocks()
    ports = {8080: free_port(), 8081: free_port()}
    printed = tutorial.run(chosen, tmp_path / "work", environment, ports)
    assert [answer["prediction"] for answer in tutorial.answers(chosen, printed)] == [0, 2]
    server = cluster.get(namespace, "modelserver", "iris")
    assert server is not None
    assert server["spec"]["model"]["version"] == "1.1.0"
