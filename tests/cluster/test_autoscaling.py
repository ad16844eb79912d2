"""The number of pods follows the load, and the operator keeps out of it."""

from typing import Any

import pytest
from cluster_access import TINY, Cluster, eventually, model_server
from diary import Diary, watched
from load import under_load

pytestmark = pytest.mark.cluster

NAME = "elastic"
AT_ONCE = {
    "scaleUp": {"stabilizationWindowSeconds": 0},
    "scaleDown": {"stabilizationWindowSeconds": 0},
}
SPEC: dict[str, Any] = {"resources": TINY, "rollout": {"minReadySeconds": 0}}


def counts(diary: Diary, namespace: str) -> list[int]:
    """List the counts that the Deployment was asked for, one after the other."""
    found: list[int] = []
    for _, body in list(diary.entries):
        if body["kind"] == "Deployment" and body["metadata"]["namespace"] == namespace:
            replicas = body["spec"]["replicas"]
            if found[-1:] != [replicas]:
                found.append(replicas)
    return found


def test_a_busy_server_scales_out_and_back(cluster: Cluster, namespace: str) -> None:
    """
    From minReplicas to maxReplicas and back, one way at a time.

    An operator that took the count back, or wrote the Deployment at all, would show in the audit
    log and as a count that turns round.
    """
    autoscaling = {
        "minReplicas": 1,
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 60,
        "behavior": AT_ONCE,
    }
    with watched(cluster) as diary:
        cluster.apply(namespace, model_server(NAME, autoscaling=autoscaling, **SPEC))
        cluster.wait_ready(namespace, NAME, 90)
        assert counts(diary, namespace) == [1]
        before = _deployment_writes(cluster, namespace)
        with under_load(cluster, namespace, NAME, rate=250, enough=0) as load:
            eventually(lambda: counts(diary, namespace)[-1] == 3, 150, lambda: _why(cluster))
            cluster.wait_ready(namespace, NAME)
        assert load.failed == {}
        eventually(lambda: counts(diary, namespace)[-1] == 1, 150, lambda: _why(cluster))
        out_and_back = counts(diary, namespace)
        top = out_and_back.index(3)
        assert out_and_back[: top + 1] == sorted(out_and_back[: top + 1])
        assert out_and_back[top:] == sorted(out_and_back[top:], reverse=True)
        assert _deployment_writes(cluster, namespace) == before
        cluster.wait_ready(namespace, NAME)


def test_who_decides_may_change_and_the_count_stays(cluster: Cluster, namespace: str) -> None:
    """Fixed, autoscaled, fixed, nobody's: three pods all the time, the same three."""
    autoscaling = {"minReplicas": 2, "maxReplicas": 5}
    with watched(cluster) as diary:
        cluster.apply(namespace, model_server(NAME, replicas=3, **SPEC))
        cluster.wait_ready(namespace, NAME, 90)
        pods = _pods(cluster, namespace)
        for decides in ({"autoscaling": autoscaling}, {"replicas": 3}, {}):
            cluster.apply(namespace, model_server(NAME, **decides, **SPEC))
            scaled = "autoscaling" in decides
            eventually(lambda s=scaled: _has_autoscaler(cluster, namespace) == s, 20)
            cluster.wait_ready(namespace, NAME)
        assert counts(diary, namespace) == [3]
        assert _pods(cluster, namespace) == pods


def _has_autoscaler(cluster: Cluster, namespace: str) -> bool:
    return cluster.get(namespace, "horizontalpodautoscaler", NAME) is not None


def _pods(cluster: Cluster, namespace: str) -> set[str]:
    found = cluster.listing(namespace, "pods", f"modelserver.dev/name={NAME}")
    return {pod["metadata"]["uid"] for pod in found}


def _deployment_writes(cluster: Cluster, namespace: str) -> list[str]:
    place = f"/namespaces/{namespace}/deployments"
    return [write for write in cluster.operator_writes() if place in write]


def _why(cluster: Cluster) -> str:
    return cluster.kubectl("get", "hpa", "-A").stdout
