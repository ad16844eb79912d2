"""The two nodes of the cluster: which pods are on which, and one of them taken out of service."""

import contextlib
from collections.abc import Iterator
from typing import Any

from cluster_access import Cluster, eventually


def control_plane(cluster: Cluster) -> str:
    """Name the node that is never drained."""
    return f"{cluster.environment['CLUSTER']}-control-plane"


def worker(cluster: Cluster) -> str:
    """Name the node that is."""
    return f"{cluster.environment['CLUSTER']}-worker"


def nodes(cluster: Cluster) -> tuple[str, str]:
    """Name both."""
    return control_plane(cluster), worker(cluster)


def pods_on(cluster: Cluster, node: str, namespace: str, selector: str) -> list[dict[str, Any]]:
    """List the pods on *node*."""
    found = cluster.listing(namespace, "pods", selector)
    return [pod for pod in found if pod["spec"].get("nodeName") == node]


@contextlib.contextmanager
def cordoned(cluster: Cluster, node: str) -> Iterator[None]:
    """Let no new pod onto *node* while the body runs."""
    cluster.kubectl("cordon", node)
    try:
        yield
    finally:
        cluster.kubectl("uncordon", node)


def put_on_worker(cluster: Cluster, namespace: str, server: str, *, answering: int) -> None:
    """Replace the pods of *server* that are elsewhere; wait for *answering* pods on the worker."""
    selector = f"modelserver.dev/name={server}"
    elsewhere = control_plane(cluster)
    with cordoned(cluster, elsewhere):
        for pod in pods_on(cluster, elsewhere, namespace, selector):
            cluster.kubectl("-n", namespace, "delete", "pod", pod["metadata"]["name"])
        here = worker(cluster)
        eventually(
            lambda: sum(map(is_ready, pods_on(cluster, here, namespace, selector))) == answering, 90
        )


def is_ready(pod: dict[str, Any]) -> bool:
    """Say whether *pod* is Ready, and stays."""
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


@contextlib.contextmanager
def drained(cluster: Cluster, node: str) -> Iterator[None]:
    """Take *node* out of service as an administrator does, and give it back."""
    try:
        cluster.kubectl(
            *("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force"),
            "--timeout=150s",
        )
        yield
    finally:
        cluster.kubectl("uncordon", node)
