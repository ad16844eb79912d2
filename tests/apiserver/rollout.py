"""The Deployment controller's part, one step at a time and only when a test asks for it."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from apiserver.cluster import Cluster
from apiserver.ownership import now
from apiserver.resources import Body

READY_CONTAINER: Mapping[str, Any] = {"ready": True, "state": {"running": {}}, "restartCount": 0}
STARTING_CONTAINER: Mapping[str, Any] = {
    "ready": False,
    "state": {"waiting": {"reason": "ContainerCreating"}},
    "restartCount": 0,
}


def roll_out(  # noqa: PLR0913  - each is one fact of the picture a test wants
    cluster: Cluster,
    namespace: str,
    name: str,
    *,
    ready: int | None = None,
    old_ready: int = 0,
    container: Mapping[str, Any] = STARTING_CONTAINER,
    conditions: tuple[Mapping[str, Any], ...] = (),
) -> Body:
    """
    Make a Deployment's ReplicaSets, Pods and status look as after some progress.

    Args:
        cluster: where the Deployment lives.
        namespace: of the Deployment.
        name: of the Deployment.
        ready: Ready pods of the newest template; None is all that are wanted.
        old_ready: Ready pods of older templates that are still there.
        container: the status of the container in pods of the newest template that are not Ready.
        conditions: put in place of the Available and Progressing ones of a healthy rollout.

    Returns:
        The Deployment.
    """
    deployment = cluster.get("Deployment", namespace, name)
    wanted = deployment["spec"]["replicas"]
    ready = wanted if ready is None else ready
    newest = _replica_set(cluster, deployment, wanted, ready)
    for old in _owned(cluster, "ReplicaSet", deployment):
        if old["metadata"]["name"] != newest["metadata"]["name"]:
            _pods(cluster, old, old_ready, old_ready, container)
            cluster.edit("ReplicaSet", namespace, old["metadata"]["name"], _replicas(old_ready))
            counts = {"replicas": old_ready, "readyReplicas": old_ready}
            cluster.set_status("ReplicaSet", namespace, old["metadata"]["name"], counts)
            old_ready = 0
    _pods(cluster, newest, wanted, ready, container)
    return cluster.set_status(
        "Deployment", namespace, name, _status(cluster, deployment, wanted, ready, conditions)
    )


def _replicas(count: int) -> Body:
    return {"spec": {"replicas": count}}


def _owned(cluster: Cluster, kind: str, owner: Body) -> list[Body]:
    uid = owner["metadata"]["uid"]
    return [
        body
        for body in cluster.objects(kind, owner["metadata"]["namespace"])
        if any(reference["uid"] == uid for reference in body["metadata"].get("ownerReferences", ()))
    ]


def _child(owner: Body, kind: str, api_version: str, name: str, labels: Body) -> Body:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {
        "name": name,
        "namespace": owner["metadata"]["namespace"],
        "labels": labels,
        "ownerReferences": [reference],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _replica_set(cluster: Cluster, deployment: Body, wanted: int, ready: int) -> Body:
    template = deployment["spec"]["template"]
    written = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(written).hexdigest()[:10]
    namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
    revision = 1 + len(_owned(cluster, "ReplicaSet", deployment))
    labels = {**template["metadata"].get("labels", {}), "pod-template-hash": digest}
    body = _child(deployment, "ReplicaSet", "apps/v1", f"{name}-{digest}", labels)
    body["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": str(revision)}
    body["spec"] = {
        "replicas": wanted,
        "selector": {"matchLabels": labels},
        "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
    }
    if cluster.find("ReplicaSet", namespace, f"{name}-{digest}") is None:
        cluster.create(body)
    else:
        cluster.edit("ReplicaSet", namespace, f"{name}-{digest}", _replicas(wanted))
    counts = {"replicas": wanted, "readyReplicas": ready, "availableReplicas": ready}
    return cluster.set_status("ReplicaSet", namespace, f"{name}-{digest}", counts)


def _pods(
    cluster: Cluster, replica_set: Body, wanted: int, ready: int, container: Mapping[str, Any]
) -> None:
    namespace, name = replica_set["metadata"]["namespace"], replica_set["metadata"]["name"]
    there = {pod["metadata"]["name"] for pod in _owned(cluster, "Pod", replica_set)}
    names = [f"{name}-{index}" for index in range(wanted)]
    for surplus in there - set(names):
        cluster.delete("Pod", namespace, surplus)
    template = replica_set["spec"]["template"]
    for index, pod_name in enumerate(names):
        if pod_name not in there:
            pod = _child(replica_set, "Pod", "v1", pod_name, template["metadata"]["labels"])
            cluster.create({**pod, "spec": template["spec"]})
        cluster.set_status(
            "Pod", namespace, pod_name, _pod_status(template, index < ready, container)
        )


def _pod_status(template: Body, ready: bool, container: Mapping[str, Any]) -> Body:  # noqa: FBT001
    word = "True" if ready else "False"
    statuses = [
        {
            "name": each["name"],
            "image": each["image"],
            **(READY_CONTAINER if ready else container),
        }
        for each in template["spec"]["containers"]
    ]
    return {
        "phase": "Running" if ready else "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": word},
            {"type": "ContainersReady", "status": word},
        ],
        "containerStatuses": statuses,
    }


def _status(
    cluster: Cluster,
    deployment: Body,
    wanted: int,
    ready: int,
    conditions: tuple[Mapping[str, Any], ...],
) -> Body:
    total = available = 0
    for replica_set in _owned(cluster, "ReplicaSet", deployment):
        total += replica_set["status"].get("replicas", 0)
        available += replica_set["status"].get("readyReplicas", 0)
    done = ready == wanted == total
    progress = "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"
    word = "True" if available >= wanted else "False"
    at = {"lastTransitionTime": now(), "lastUpdateTime": now(), "message": ""}
    usual = (
        {"type": "Available", "status": word, "reason": "MinimumReplicasAvailable", **at},
        {"type": "Progressing", "status": "True", "reason": progress, **at},
    )
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": total,
        "updatedReplicas": wanted,
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": max(0, total - available),
        "conditions": [dict(condition) for condition in conditions or usual],
    }
