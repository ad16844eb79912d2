"""How many pods run, and who decides it."""

import pytest
from cluster_access import Cluster, eventually, model_server

pytestmark = pytest.mark.cluster


def replicas(cluster: Cluster, namespace: str, name: str) -> int:
    """Read the count that the Deployment is asked for."""
    deployment = cluster.get(namespace, "deployment", name)
    assert deployment is not None
    return int(deployment["spec"]["replicas"])


def test_kubectl_scale(cluster: Cluster, served: str) -> None:
    """`kubectl scale` works on a ModelServer as on a Deployment."""
    try:
        cluster.kubectl("-n", served, "scale", "ms/breast-cancer", "--replicas=3")
        eventually(lambda: replicas(cluster, served, "breast-cancer") == 3, 5)
        cluster.wait_ready(served, "breast-cancer")
    finally:
        cluster.kubectl("-n", served, "scale", "ms/breast-cancer", "--replicas=2")
    eventually(lambda: replicas(cluster, served, "breast-cancer") == 2, 5)
    cluster.wait_ready(served, "breast-cancer")


def test_suspend_and_back(cluster: Cluster, namespace: str) -> None:
    """Suspended is Ready (the spec is live) and not Available; then the pods come back."""
    server = model_server("sleeper", replicas=1)
    cluster.apply(namespace, server)
    cluster.wait_ready(namespace, "sleeper")
    server["spec"]["suspend"] = True
    cluster.apply(namespace, server)
    eventually(
        lambda: cluster.condition(namespace, "sleeper", "Ready").get("reason") == "Suspended", 60
    )
    assert cluster.condition(namespace, "sleeper", "Available")["status"] == "False"
    assert cluster.get(namespace, "service", "sleeper") is not None
    server["spec"]["suspend"] = False
    cluster.apply(namespace, server)
    eventually(lambda: replicas(cluster, namespace, "sleeper") == 1, 5)
    cluster.wait_ready(namespace, "sleeper")
    assert cluster.condition(namespace, "sleeper", "Available")["status"] == "True"


def test_a_count_that_nobody_fixes_is_left_to_others(cluster: Cluster, namespace: str) -> None:
    """Fixed, then left out, the count stays; somebody else's change is not taken back."""
    server = model_server("free", replicas=1)
    cluster.apply(namespace, server)
    cluster.wait_ready(namespace, "free")
    del server["spec"]["replicas"]
    cluster.apply(namespace, server)
    cluster.wait_ready(namespace, "free")
    assert replicas(cluster, namespace, "free") == 1
    cluster.kubectl("-n", namespace, "scale", "deployment/free", "--replicas=0")
    eventually(
        lambda: cluster.condition(namespace, "free", "Ready").get("reason") == "ScaledToZero", 60
    )
    assert replicas(cluster, namespace, "free") == 0


def test_an_autoscaled_server_is_not_scaled_by_hand(cluster: Cluster, namespace: str) -> None:
    """The answer says what to change instead."""
    server = model_server("busy", suspend=True, autoscaling={"maxReplicas": 4})
    cluster.apply(namespace, server)
    scaled = cluster.kubectl("-n", namespace, "scale", "ms/busy", "--replicas=3", check=False)
    assert scaled.returncode != 0
    assert "change autoscaling.minReplicas/maxReplicas instead" in scaled.stderr
