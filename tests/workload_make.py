"""Builders of what runs for a ModelServer: only what a test is about is said."""

from typing import Any

import modelserver_make as make
from modelserver_operator.workload import Workload

Body = dict[str, Any]

OLD, NEWEST = "r1", "r2"
"""Uids of the two ReplicaSets."""

MADE_AT = "2026-01-01T00:00:00Z"


def workload(  # noqa: PLR0913 - each is a fact of its own
    *,
    wanted: int = 2,
    updated: int | None = None,
    available: int | None = None,
    old: int = 0,
    progress: str = "NewReplicaSetAvailable",
    progress_message: str = "",
    refused: str = "",
    observed: bool = True,
    pods: list[Body] | None = None,
) -> Workload:
    """
    Build a Deployment with an older and a newest ReplicaSet, complete unless said otherwise.

    Args:
        wanted: pods that the Deployment asks for.
        updated: pods of the newest template; left out: as many as are wanted.
        available: how many of those are available; left out: all.
        old: pods of the older template, all of them available.
        progress: the reason of the Deployment's condition Progressing.
        progress_message: its message.
        refused: what the API server said when it refused a pod of the newest template.
        observed: whether the Deployment's controller has seen its newest spec.
        pods: of both templates.
    """
    updated = wanted if updated is None else updated
    available = updated if available is None else available
    deployment = make.deployment(
        replicas=wanted,
        updated=updated,
        available=available + old,
        total=updated + old,
        observed=int(observed),
        progressing=progress,
        refused=refused,
    )
    deployment["status"]["conditions"][0]["message"] = progress_message
    deployment["spec"]["template"] = template("new" if observed else "newer")
    sets = [replica_set(OLD, 1, "old", old, old), replica_set(NEWEST, 2, "new", updated, available)]
    if refused:
        failure = {"type": "ReplicaFailure", "status": "True", "message": refused}
        sets[1]["status"]["conditions"] = [failure]
    return Workload(deployment, sets, pods or [])


def template(image: str) -> Body:
    """Build a pod template that is told from others by its image."""
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": image}]}}


def replica_set(uid: str, revision: int, image: str, replicas: int, available: int) -> Body:
    """Build a ReplicaSet of that Deployment, with the label that Kubernetes adds to its pods."""
    body = make.replica_set(uid, revision)
    made_from = template(image)
    made_from["metadata"]["labels"]["pod-template-hash"] = uid
    body["spec"] = {"replicas": replicas, "template": made_from}
    body["status"] = {
        "replicas": replicas,
        "readyReplicas": available,
        "availableReplicas": available,
    }
    return body


def pod(uid: str = "p1", *, of: str = NEWEST, ready: bool = False, **container: Any) -> Body:
    """Build a scheduled pod with one container called runtime, whose states are *container*."""
    body = make.pod(of, ready=ready, **container)
    body["metadata"] |= {
        "uid": uid,
        "name": f"web-5d4b7c8f9-{uid}",
        "namespace": "team",
        "creationTimestamp": MADE_AT,
    }
    body["status"]["phase"] = "Running"
    body["status"]["conditions"].append({"type": "PodScheduled", "status": "True"})
    return body


def fetching(uid: str = "p1", **init: Any) -> Body:
    """Build a pod whose init container `fetch` has the states *init*; the runtime waits for it."""
    body = pod(uid, ready=False, state={"waiting": {"reason": "PodInitializing"}})
    body["status"]["phase"] = "Pending"
    statuses = [{"name": "fetch", "image": "localhost/x:1", "ready": False, **init}]
    body["status"]["initContainerStatuses"] = statuses
    return body


def creating(uid: str = "p1") -> Body:
    """Build a pod whose container has not started."""
    return pod(uid, state={"waiting": {"reason": "ContainerCreating"}})


def waiting(reason: str, message: str = "", uid: str = "p1") -> Body:
    """Build a pod whose container waits."""
    return pod(uid, state={"waiting": {"reason": reason, "message": message}})


def running(uid: str = "p1", *, started: bool = True, restarts: int = 0) -> Body:
    """Build a pod that runs, is not ready, and does not say why."""
    state = {"running": {"startedAt": MADE_AT}}
    return pod(uid, state=state, started=started, restartCount=restarts)


def last_words(message: str, uid: str = "p1", **end: Any) -> Body:
    """Build a pod whose container ended, and waits to be started again."""
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting"}}
    return pod(uid, state=state, restartCount=1, lastState=make.ended(message, **end))


def unschedulable(message: str, uid: str = "p1") -> Body:
    """Build a pod that fits nowhere."""
    body = pod(uid)
    unfit = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    body["status"] = {"phase": "Pending", "conditions": [unfit | {"message": message}]}
    return body


def evicted(message: str, uid: str = "p1") -> Body:
    """Build a pod that a node has thrown out; it stays for people to look at."""
    body = pod(uid)
    body["status"] = {"phase": "Failed", "reason": "Evicted", "message": message}
    return body


def event(reason: str, message: str, at: str = MADE_AT, **more: Any) -> Body:
    """Build a core Event about the pod p1."""
    subject = {"name": "web-5d4b7c8f9-p1", "uid": "p1"}
    if reason == "Unhealthy":
        subject["fieldPath"] = "spec.containers{runtime}"
    return {
        "metadata": {"resourceVersion": "7"},
        "involvedObject": subject,
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
        **more,
    }
