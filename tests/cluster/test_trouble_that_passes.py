"""Reasons that come from what happened before, and go by themselves or by one act."""

import json
import time

import pytest
from cluster_access import TINY, Cluster, eventually, model_server
from diary import says, watched

pytestmark = pytest.mark.cluster

NAME = "server"
SPEC = {"resources": TINY, "rollout": {"minReadySeconds": 0}}


def test_scaling_out_says_so_until_enough_pods_answer(cluster: Cluster, namespace: str) -> None:
    """Ready is lost only while fewer pods are available than are guaranteed."""
    slow = {"resources": TINY, "rollout": {"minReadySeconds": 8}}
    with watched(cluster) as diary:
        cluster.apply(namespace, model_server(NAME, replicas=1, **slow))
        cluster.wait_ready(namespace, NAME, 90)
        cluster.apply(namespace, model_server(NAME, replicas=3, **slow))
        wanted = diary.wait(
            namespace, "Deployment", lambda deployment: deployment["spec"]["replicas"] == 3, 10
        )
        named = diary.wait(
            namespace, "ModelServer", lambda server: says(server, "Ready", "ScalingInProgress"), 20
        )
        assert named - wanted <= 20
        cluster.wait_ready(namespace, NAME, 90)
        assert cluster.condition(namespace, NAME, "Stalled")["status"] == "False"


def test_a_rollout_without_progress_stalls(cluster: Cluster, namespace: str) -> None:
    """
    Named within 20 s of the deadline of 30 s.

    The pod runs and answers, but somebody else's readiness gate is never opened: no pod, no
    container and no Event has a cause to tell, so that only the deadline can.
    """
    rollout = {"minReadySeconds": 0, "progressDeadlineSeconds": 30}
    gate = {"readinessGates": [{"conditionType": "example.com/approved"}]}
    with watched(cluster) as diary:
        cluster.apply(namespace, model_server(NAME, replicas=1, resources=TINY, rollout=rollout))
        eventually(lambda: cluster.get(namespace, "deployment", NAME), 10)
        patch = json.dumps({"spec": {"template": {"spec": gate}}})
        cluster.kubectl("-n", namespace, "patch", "deployment", NAME, "-p", patch)
        began = time.monotonic()
        named = diary.wait(
            namespace, "ModelServer", lambda server: says(server, "Ready", "RolloutStalled"), 60
        )
        assert named - began <= 30 + 20
        stalled = cluster.condition(namespace, NAME, "Stalled")
        assert (stalled["status"], stalled["reason"]) == ("True", "RolloutStalled")


def test_a_predecessors_child_is_waited_for(cluster: Cluster, namespace: str) -> None:
    """A Service that a finalizer holds belongs to the deleted server: the new one waits."""
    held = '{"metadata": {"finalizers": ["example.com/hold"]}}'
    cluster.apply(namespace, model_server(NAME, suspend=True))
    eventually(lambda: cluster.get(namespace, "service", NAME), 10)
    cluster.kubectl("-n", namespace, "patch", "service", NAME, "--type=merge", "-p", held)
    cluster.kubectl("-n", namespace, "delete", "modelserver", NAME)
    eventually(
        lambda: "deletionTimestamp" in (cluster.get(namespace, "service", NAME) or {})["metadata"],
        30,
    )
    cluster.apply(namespace, model_server(NAME, replicas=1, **SPEC))
    eventually(
        lambda: (
            cluster.condition(namespace, NAME, "Accepted").get("reason")
            == "WaitingForGarbageCollection"
        ),
        20,
        lambda: str(cluster.condition(namespace, NAME, "Accepted")),
    )
    assert f"Service {NAME}" in cluster.condition(namespace, NAME, "Accepted")["message"]
    assert cluster.condition(namespace, NAME, "Stalled")["status"] == "False"
    free = '{"metadata": {"finalizers": null}}'
    cluster.kubectl("-n", namespace, "patch", "service", NAME, "--type=merge", "-p", free)
    cluster.wait_ready(namespace, NAME, 60)


def test_a_field_that_cannot_change_is_named(cluster: Cluster, namespace: str) -> None:
    """A Deployment that was handed over has another selector; it is deleted, and all is well."""
    labels = {"app": "older"}
    container = {"name": "c", "image": "localhost/none:1"}
    older = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "annotations": {"modelserver.dev/adopt": NAME}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    cluster.apply(namespace, older)
    cluster.apply(namespace, model_server(NAME, replicas=1, **SPEC))
    eventually(
        lambda: cluster.condition(namespace, NAME, "Accepted").get("reason") == "ImmutableField",
        20,
        lambda: str(cluster.condition(namespace, NAME, "Accepted")),
    )
    assert "selector" in cluster.condition(namespace, NAME, "Accepted")["message"]
    assert cluster.condition(namespace, NAME, "Stalled")["reason"] == "ImmutableField"
    cluster.kubectl("-n", namespace, "delete", "deployment", NAME)
    cluster.wait_ready(namespace, NAME, 90)
