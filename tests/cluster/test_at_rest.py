"""At rest the operator writes nothing, and what happens to it changes no child."""

import time
from typing import Any

import pytest
from cluster_access import OPERATOR, SYSTEM, Cluster, eventually

pytestmark = pytest.mark.cluster

QUIET_SECONDS = 45  # longer than any loop of the operator rests, but for its sweep


def children(cluster: Cluster, namespace: str) -> list[tuple[str, str, Any]]:
    """Say which objects there are, and in which version."""
    kinds = (
        "serviceaccounts,configmaps,deployments,services,horizontalpodautoscalers,"
        "poddisruptionbudgets,networkpolicies,replicasets,pods"
    )
    found = cluster.listing(namespace, kinds, "modelserver.dev/name")
    return sorted(
        (b["kind"], b["metadata"]["uid"], b["metadata"]["resourceVersion"]) for b in found
    )


def settle(cluster: Cluster) -> int:
    """
    Wait until the operator has not written for ten seconds; return how often it has.

    Namespaces of earlier tests must be gone: in one that is being deleted a child may go before
    its ModelServer, and is asked for again.
    """
    eventually(lambda: "Terminating" not in cluster.kubectl("get", "namespaces").stdout, 120)
    count, since = -1, time.monotonic()
    deadline = since + 120
    while time.monotonic() - since < 10:
        assert time.monotonic() < deadline, cluster.operator_writes()[-5:]
        now = len(cluster.operator_writes())
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(1)
    return count


def test_a_restarted_operator_writes_nothing(cluster: Cluster, served: str) -> None:
    """Killed, started again, and for a while: no write but Lease renewals, no child changed."""
    cluster.wait_ready(served, "breast-cancer")
    written = settle(cluster)
    before = children(cluster, served)
    selector = f"app.kubernetes.io/name={OPERATOR}"
    old = {pod["metadata"]["uid"] for pod in cluster.listing(SYSTEM, "pods", selector)}
    cluster.kubectl("-n", SYSTEM, "delete", "pods", "-l", selector, "--grace-period=0", "--force")
    eventually(
        lambda: not old & {p["metadata"]["uid"] for p in cluster.listing(SYSTEM, "pods", selector)},
        60,
    )
    cluster.wait_operator()
    time.sleep(QUIET_SECONDS)
    assert cluster.operator_writes()[written:] == []
    assert children(cluster, served) == before
