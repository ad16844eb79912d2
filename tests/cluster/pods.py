"""The pods of a server: which there are, and how often their containers were started again."""

from typing import Any

from cluster_access import Cluster

SMALL = {
    "requests": {"cpu": "100m", "memory": "200Mi"},
    "limits": {"cpu": "500m", "memory": "512Mi"},
}


def pods(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    """List the pods of one server."""
    return cluster.listing(namespace, "pods", f"modelserver.dev/name={name}")


def lives(cluster: Cluster, namespace: str, name: str) -> dict[str, int]:
    """Count the restarts of each pod of one server, by uid."""
    return {
        pod["metadata"]["uid"]: sum(c["restartCount"] for c in pod["status"]["containerStatuses"])
        for pod in pods(cluster, namespace, name)
    }
