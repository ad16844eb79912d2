"""What is ours is healed, what is somebody else's is left alone, and nothing stays behind."""

import json
import time
from typing import Any

import pytest
from cluster_access import Cluster, eventually, model_server

pytestmark = pytest.mark.cluster

KINDS = ("deployment", "service", "serviceaccount", "configmap")
NAME = "breast-cancer"
EDITS: dict[str, list[dict[str, Any]]] = {
    "deployment": [{"op": "replace", "path": "/spec/minReadySeconds", "value": 77}],
    "service": [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}],
    "serviceaccount": [{"op": "replace", "path": "/automountServiceAccountToken", "value": True}],
    "configmap": [
        {"op": "replace", "path": "/metadata/labels/app.kubernetes.io~1name", "value": "x"}
    ],
}


def ours(cluster: Cluster, namespace: str, kind: str) -> dict[str, Any] | None:
    """Read the child of *kind*."""
    found = cluster.listing(namespace, kind, f"modelserver.dev/name={NAME}")
    return found[0] if found else None


def wanted(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the API server and other controllers write."""
    metadata = {key: body["metadata"].get(key) for key in ("name", "labels", "ownerReferences")}
    return {key: value for key, value in body.items() if key not in ("metadata", "status")} | {
        "metadata": metadata
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_deleted_child_is_back_within_two_seconds(
    cluster: Cluster, served: str, kind: str
) -> None:
    """Counted from the moment the API server confirmed the deletion."""
    before = ours(cluster, served, kind)
    assert before is not None
    cluster.kubectl("-n", served, "delete", kind, before["metadata"]["name"], "--wait=false")
    started = time.monotonic()
    eventually(
        lambda: (
            (ours(cluster, served, kind) or before)["metadata"]["uid"] != before["metadata"]["uid"]
        ),
        2,
    )
    assert time.monotonic() - started < 2
    cluster.wait_ready(served, NAME)


@pytest.mark.parametrize("kind", KINDS)
def test_an_edited_child_is_as_before_within_two_seconds(
    cluster: Cluster, served: str, kind: str
) -> None:
    """Whatever field of ours somebody changes comes back."""
    before = ours(cluster, served, kind)
    assert before is not None
    name = before["metadata"]["name"]
    cluster.kubectl("-n", served, "patch", kind, name, "--type=json", "-p", json.dumps(EDITS[kind]))
    eventually(lambda: wanted(ours(cluster, served, kind) or {"metadata": {}}) == wanted(before), 2)
    cluster.wait_ready(served, NAME)


@pytest.mark.parametrize(
    "stranger",
    [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "other"}},
                "template": {
                    "metadata": {"labels": {"app": "other"}},
                    "spec": {"containers": [{"name": "c", "image": "localhost/none:1"}]},
                },
            },
        },
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 9}]}},
        {"apiVersion": "v1", "kind": "ServiceAccount"},
    ],
    ids=lambda body: body["kind"],
)
def test_a_stranger_of_the_same_name_is_left_alone_and_reported(
    cluster: Cluster, namespace: str, stranger: dict[str, Any]
) -> None:
    """Not one byte of it changes, and `Accepted` says who is in the way."""
    cluster.apply(namespace, stranger | {"metadata": {"name": "taken"}})
    settled = {"Deployment": "deployment", "Service": "service", "ServiceAccount": "serviceaccount"}
    kind = settled[stranger["kind"]]
    if kind == "deployment":
        eventually(
            lambda: (
                (cluster.get(namespace, kind, "taken") or {})
                .get("status", {})
                .get("observedGeneration")
            ),
            20,
        )
    before = cluster.get(namespace, kind, "taken")
    cluster.apply(namespace, model_server("taken", replicas=1))
    eventually(
        lambda: cluster.condition(namespace, "taken", "Accepted").get("reason") == "NameConflict",
        20,
    )
    accepted = cluster.condition(namespace, "taken", "Accepted")
    assert accepted["status"] == "False"
    assert f"{stranger['kind']} taken" in accepted["message"]
    assert cluster.get(namespace, kind, "taken") == before


@pytest.mark.parametrize("operators", [1, 0], ids=["operator running", "operator at zero replicas"])
def test_deletion_leaves_nothing(cluster: Cluster, namespace: str, operators: int) -> None:
    """Owner references collect the children; no finalizer waits for the operator."""
    cluster.apply(namespace, model_server("gone", replicas=1))
    cluster.wait_ready(namespace, "gone")
    cluster.scale_operator(operators)
    try:
        cluster.kubectl("-n", namespace, "delete", "modelserver", "gone", "--timeout=20s")
        selector = "modelserver.dev/name=gone"
        kinds = ",".join([*KINDS, "replicasets", "pods"])
        eventually(lambda: not cluster.listing(namespace, kinds, selector), 90)
    finally:
        cluster.scale_operator(1)
