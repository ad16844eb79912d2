"""Pods are killed, added and moved while no operator runs, and clients notice nothing."""

import pytest
from cluster_access import TINY, Cluster, eventually, model_server
from load import ENOUGH, under_load
from nodes import drained, is_ready, put_on_worker, worker

pytestmark = pytest.mark.cluster

NAME = "alone"
SELECTOR = f"modelserver.dev/name={NAME}"


def ready(cluster: Cluster, namespace: str) -> int:
    """Count the pods that answer; no operator is there to tell."""
    return sum(map(is_ready, cluster.listing(namespace, "pods", SELECTOR)))


@pytest.mark.timeout(500)
def test_the_operator_is_not_needed_to_serve(cluster: Cluster, namespace: str) -> None:
    """A pod is deleted, the autoscaler adds pods, a node is drained: nothing is lost."""
    spec = {
        "autoscaling": {
            "minReplicas": 2,
            "maxReplicas": 3,
            "targetCPUUtilizationPercentage": 60,
            "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0}},
        },
        "resources": TINY,
        "rollout": {"minReadySeconds": 2},
    }
    cluster.apply(namespace, model_server(NAME, **spec))
    cluster.wait_ready(namespace, NAME, 90)
    put_on_worker(cluster, namespace, NAME, answering=2)
    with cluster.without_operator(), under_load(cluster, namespace, NAME, rate=350) as load:
        pod = cluster.listing(namespace, "pods", SELECTOR)[0]["metadata"]["name"]
        cluster.kubectl("-n", namespace, "delete", "pod", pod)
        eventually(lambda: ready(cluster, namespace) >= 2, 90)
        eventually(lambda: ready(cluster, namespace) == 3, 150)
        with drained(cluster, worker(cluster)):
            eventually(lambda: ready(cluster, namespace) == 3, 120)
    assert load.failed == {}, load.counts
    assert load.answered >= ENOUGH
    cluster.wait_ready(namespace, NAME)
