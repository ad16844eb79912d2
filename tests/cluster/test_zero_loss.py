"""No request is lost while pods come and go: 0 failed of at least 20,000 in each case."""

from collections.abc import Iterator
from typing import Any

import pytest
from cluster_access import TINY, Cluster, eventually, model_server
from load import ENOUGH, Load, under_load
from nodes import drained, pods_on, put_on_worker, worker

pytestmark = pytest.mark.cluster

NAME = "web"
SELECTOR = f"modelserver.dev/name={NAME}"
SPEC = {"replicas": 2, "resources": TINY, "rollout": {"minReadySeconds": 2}}


@pytest.fixture(scope="module")
def busy(cluster: Cluster) -> Iterator[str]:
    """A namespace for the server of this file."""
    with cluster.fresh_namespace("busy") as name:
        yield name


@pytest.fixture
def web(cluster: Cluster, busy: str) -> str:
    """A server of two Ready pods and none besides; the answer is its namespace."""
    change(cluster, busy)
    cluster.wait_ready(busy, NAME, 120)
    eventually(lambda: len(cluster.listing(busy, "pods", SELECTOR)) == 2, 60)
    return busy


def change(cluster: Cluster, namespace: str, **changes: Any) -> None:
    """Apply the server as it is at rest, with *changes*."""
    cluster.apply(namespace, model_server(NAME, **SPEC | changes))


def nothing_lost(load: Load) -> None:
    """Every request was answered, and there were enough of them to say so."""
    assert load.failed == {}, load.counts
    assert load.answered >= ENOUGH


def uids(cluster: Cluster, namespace: str) -> set[str]:
    """Tell the server's pods apart."""
    return {pod["metadata"]["uid"] for pod in cluster.listing(namespace, "pods", SELECTOR)}


def test_a_rolling_update_loses_nothing(cluster: Cluster, web: str) -> None:
    """There and back: every pod is replaced twice."""
    before = uids(cluster, web)
    with under_load(cluster, web, NAME) as load:
        change(cluster, web, server={"logLevel": "WARNING"})
        cluster.wait_ready(web, NAME, 120)
        change(cluster, web)
        cluster.wait_ready(web, NAME, 120)
    nothing_lost(load)
    assert not before & uids(cluster, web)


def test_scaling_out_and_in_loses_nothing(cluster: Cluster, web: str) -> None:
    """New pods get requests only when they can answer, pods that go finish what they have."""
    with under_load(cluster, web, NAME) as load:
        change(cluster, web, replicas=4)
        eventually(lambda: ready_pods(cluster, web) == 4, 120)
        change(cluster, web, replicas=1)
        eventually(lambda: len(cluster.listing(web, "pods", SELECTOR)) == 1, 120)
    nothing_lost(load)


def ready_pods(cluster: Cluster, namespace: str) -> int:
    """Count the pods that answer, as the ModelServer has it."""
    server = cluster.get(namespace, "modelserver", NAME) or {}
    return int(server.get("status", {}).get("readyReplicas", 0))


@pytest.mark.parametrize("broken", [False, True], ids=["healthy", "one pod crash-looping"])
def test_a_drain_loses_nothing(cluster: Cluster, web: str, *, broken: bool) -> None:
    """
    All pods are on the node that is drained: each may go only when its successor answers.

    A pod that crashes for ever, here one of a version that does not exist, must not stop the drain.
    """
    if broken:
        change(cluster, web, model=model_server("")["spec"]["model"] | {"version": "9.9.9"})
        eventually(lambda: crashes(cluster, web), 60)
    put_on_worker(cluster, web, NAME, answering=2)
    node = worker(cluster)
    assert len(pods_on(cluster, node, web, SELECTOR)) == 2 + broken
    with under_load(cluster, web, NAME) as load, drained(cluster, node):
        assert pods_on(cluster, node, web, SELECTOR) == []
    nothing_lost(load)


def crashes(cluster: Cluster, namespace: str) -> list[str]:
    """Name the pods that have been started again."""
    return [
        pod["metadata"]["name"]
        for pod in cluster.listing(namespace, "pods", SELECTOR)
        if any(c["restartCount"] for c in pod["status"].get("containerStatuses", []))
    ]
