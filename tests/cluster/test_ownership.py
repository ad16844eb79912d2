"""What is ours is healed, what is somebody else's is left alone, and nothing stays behind."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cluster_access import TINY, Cluster, eventually, model_server

pytestmark = pytest.mark.cluster

NAME = "complete"
KINDS = (
    "serviceaccount",
    "configmap",
    "deployment",
    "service",
    "horizontalpodautoscaler",
    "poddisruptionbudget",
    "networkpolicy",
)
"""All but ServiceMonitor, whose kind the cluster does not always know: see its own test."""

SPEC = {
    "autoscaling": {"minReplicas": 2, "maxReplicas": 3},
    "resources": TINY,
    "rollout": {"minReadySeconds": 0},
}
EDITS: dict[str, list[dict[str, Any]]] = {
    "deployment": [{"op": "replace", "path": "/spec/minReadySeconds", "value": 77}],
    "service": [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}],
    "serviceaccount": [{"op": "replace", "path": "/automountServiceAccountToken", "value": True}],
    "configmap": [
        {"op": "replace", "path": "/metadata/labels/app.kubernetes.io~1name", "value": "x"}
    ],
    "horizontalpodautoscaler": [{"op": "replace", "path": "/spec/maxReplicas", "value": 9}],
    "poddisruptionbudget": [{"op": "replace", "path": "/spec/maxUnavailable", "value": "90%"}],
    "networkpolicy": [{"op": "add", "path": "/spec/egress", "value": [{}]}],
}


@pytest.fixture(scope="module")
def complete(cluster: Cluster) -> Iterator[str]:
    """A namespace with a Ready ModelServer that has every child."""
    with cluster.fresh_namespace("complete") as namespace:
        cluster.apply(namespace, model_server(NAME, **SPEC))
        cluster.wait_ready(namespace, NAME, 90)
        yield namespace


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
    cluster: Cluster, complete: str, kind: str
) -> None:
    """Counted from the moment the API server confirmed the deletion."""
    before = ours(cluster, complete, kind)
    assert before is not None
    cluster.kubectl("-n", complete, "delete", kind, before["metadata"]["name"], "--wait=false")
    started = time.monotonic()
    eventually(
        lambda: (
            (ours(cluster, complete, kind) or before)["metadata"]["uid"]
            != before["metadata"]["uid"]
        ),
        2,
    )
    assert time.monotonic() - started < 2
    cluster.wait_ready(complete, NAME)


@pytest.mark.parametrize("kind", KINDS)
def test_an_edited_child_is_as_before_within_two_seconds(
    cluster: Cluster, complete: str, kind: str
) -> None:
    """Whatever field of ours somebody changes comes back."""
    before = ours(cluster, complete, kind)
    assert before is not None
    name = before["metadata"]["name"]
    edit = json.dumps(EDITS[kind])
    cluster.kubectl("-n", complete, "patch", kind, name, "--type=json", "-p", edit)
    eventually(
        lambda: wanted(ours(cluster, complete, kind) or {"metadata": {}}) == wanted(before),
        2,
        lambda: json.dumps(ours(cluster, complete, kind)),
    )
    cluster.wait_ready(complete, NAME)


def test_a_removed_section_removes_its_child(cluster: Cluster, namespace: str) -> None:
    """And only that one; asked for again, it is back."""
    optional = ("horizontalpodautoscaler", "poddisruptionbudget", "networkpolicy")
    without: dict[str, Any] = {
        "replicas": 2,
        "disruptionBudget": {"policy": "None"},
        "networkPolicy": {"policy": "None"},
    }
    cluster.apply(namespace, model_server(NAME, suspend=True, **SPEC))
    suspended = [kind for kind in KINDS if kind != "horizontalpodautoscaler"]
    eventually(lambda: all(ours(cluster, namespace, kind) for kind in suspended), 10)
    others = [ours(cluster, namespace, kind) for kind in ("service", "serviceaccount")]
    rest = {key: value for key, value in SPEC.items() if key != "autoscaling"}
    cluster.apply(namespace, model_server(NAME, suspend=True, **rest, **without))
    eventually(lambda: not any(ours(cluster, namespace, kind) for kind in optional), 10)
    assert [ours(cluster, namespace, kind) for kind in ("service", "serviceaccount")] == others
    cluster.apply(namespace, model_server(NAME, **SPEC))
    eventually(lambda: all(ours(cluster, namespace, kind) for kind in optional), 10)


def pods_of(name: str) -> dict[str, Any]:
    """Build the selector and template of a Deployment that is somebody else's."""
    labels = {"app": name}
    container = {"name": "c", "image": "localhost/none:1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}


STRANGERS = (
    {"apiVersion": "apps/v1", "kind": "Deployment", "spec": pods_of("other")},
    {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 9}]}},
    {"apiVersion": "v1", "kind": "ServiceAccount"},
    {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"},
            "maxReplicas": 2,
        },
    },
    {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "other"}}},
    },
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "spec": {"podSelector": {"matchLabels": {"app": "other"}}, "policyTypes": ["Egress"]},
    },
)


HELD_BACK = {
    "deployment": ("horizontalpodautoscaler",),
    "serviceaccount": ("deployment", "horizontalpodautoscaler"),
}
"""No autoscaler for a stranger's Deployment, no pods with a stranger's ServiceAccount."""


def written(body: dict[str, Any] | None) -> dict[str, Any]:
    """Leave out of an object what its controller writes into `status`."""
    assert body is not None
    metadata = {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}
    managers = [m for m in metadata.pop("managedFields", []) if m.get("subresource") != "status"]
    rest = {k: v for k, v in body.items() if k not in ("metadata", "status")}
    return rest | {"metadata": metadata | {"managedFields": managers}}


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda body: body["kind"])
def test_a_stranger_of_the_same_name_is_left_alone_and_reported(
    cluster: Cluster, namespace: str, stranger: dict[str, Any]
) -> None:
    """Not one byte of it changes, `Accepted` says who is in the way, the others go on."""
    kind = stranger["kind"].lower()
    cluster.apply(namespace, stranger | {"metadata": {"name": "taken"}})
    if kind == "deployment":  # its controller adds an annotation of its own at first
        eventually(
            lambda: (
                (cluster.get(namespace, kind, "taken") or {})
                .get("status", {})
                .get("observedGeneration")
            ),
            20,
        )
    before = written(cluster.get(namespace, kind, "taken"))
    cluster.apply(namespace, model_server("taken", **SPEC))
    eventually(
        lambda: cluster.condition(namespace, "taken", "Accepted").get("reason") == "NameConflict",
        20,
    )
    accepted = cluster.condition(namespace, "taken", "Accepted")
    assert accepted["status"] == "False"
    assert f"{stranger['kind']} taken" in accepted["message"]
    assert cluster.condition(namespace, "taken", "Stalled")["reason"] == "NameConflict"
    assert written(cluster.get(namespace, kind, "taken")) == before
    held_back = HELD_BACK.get(kind, ())
    others = [other for other in KINDS if other not in (kind, "configmap", *held_back)]
    eventually(lambda: all(cluster.get(namespace, other, "taken") for other in others), 5)
    assert not any(cluster.get(namespace, other, "taken") for other in held_back)


def test_a_stranger_that_is_handed_over_becomes_ours(cluster: Cluster, namespace: str) -> None:
    """The annotation stands on the child: who may write it may give it away."""
    service = STRANGERS[1] | {"metadata": {"name": "taken"}}
    cluster.apply(namespace, service)
    cluster.apply(namespace, model_server("taken", suspend=True))
    eventually(
        lambda: cluster.condition(namespace, "taken", "Accepted").get("reason") == "NameConflict",
        20,
    )
    uid = (cluster.get(namespace, "service", "taken") or {})["metadata"]["uid"]
    adopt = "modelserver.dev/adopt=taken"
    cluster.kubectl("-n", namespace, "annotate", "service", "taken", adopt)
    eventually(
        lambda: cluster.condition(namespace, "taken", "Accepted").get("status") == "True", 60
    )
    taken = cluster.get(namespace, "service", "taken") or {}
    assert taken["metadata"]["uid"] == uid
    assert taken["metadata"]["ownerReferences"][0]["kind"] == "ModelServer"
    assert taken["spec"]["selector"] == {
        "modelserver.dev/name": "taken",
        "modelserver.dev/track": "stable",
    }


def test_what_others_add_survives(cluster: Cluster, namespace: str) -> None:
    """Labels, annotations, variables and a sidecar outlive our next apply of the same object."""
    cluster.apply(namespace, model_server(NAME, suspend=True, **SPEC))
    kinds = ("deployment", "service")
    eventually(lambda: all(ours(cluster, namespace, kind) for kind in kinds), 10)
    sidecar = {"name": "proxy", "image": "localhost/proxy:1"}
    variable = {"name": "PROXY", "value": "on"}
    runtime = {"name": "runtime", "env": [variable]}
    additions = {
        "metadata": {"labels": {"team": "red"}, "annotations": {"example.com/note": "kept"}},
        "spec": {
            "template": {
                "metadata": {"annotations": {"example.com/inject": "yes"}},
                "spec": {"containers": [runtime, sidecar]},
            }
        },
    }
    patch = ("-n", namespace, "patch", "deployment", NAME, "-p", json.dumps(additions))
    cluster.kubectl(*patch)
    cluster.kubectl("-n", namespace, "label", "service", NAME, "team=red")
    cluster.apply(
        namespace,
        model_server(NAME, suspend=True, **SPEC | {"rollout": {"minReadySeconds": 5}}),
    )
    eventually(
        lambda: (ours(cluster, namespace, "deployment") or {})["spec"].get("minReadySeconds") == 5,
        10,
    )
    deployment = ours(cluster, namespace, "deployment") or {}
    template = deployment["spec"]["template"]
    containers = {container["name"]: container for container in template["spec"]["containers"]}
    assert deployment["metadata"]["labels"]["team"] == "red"
    assert deployment["metadata"]["annotations"]["example.com/note"] == "kept"
    assert template["metadata"]["annotations"]["example.com/inject"] == "yes"
    assert containers.keys() == {"runtime", "proxy"}
    assert variable in containers["runtime"]["env"]
    assert (ours(cluster, namespace, "service") or {})["metadata"]["labels"]["team"] == "red"


def test_garbage_is_what_has_our_owner(cluster: Cluster, complete: str) -> None:
    """A copy that names our server as its controller goes; one that has only our labels stays."""
    kinds = ("service", "serviceaccount", "deployment")
    for kind in kinds:
        live = ours(cluster, complete, kind) or {}
        owners = live["metadata"]["ownerReferences"]
        for name, references in (("owned", owners), ("labelled", [])):
            metadata = {"name": name, "labels": live["metadata"]["labels"]}
            copy = {key: live[key] for key in ("apiVersion", "kind", "spec") if key in live}
            for chosen in ("clusterIP", "clusterIPs"):
                copy.get("spec", {}).pop(chosen, None)
            cluster.apply(complete, copy | {"metadata": metadata | {"ownerReferences": references}})
    eventually(lambda: not any(cluster.get(complete, kind, "owned") for kind in kinds), 10)
    for kind in kinds:
        assert cluster.get(complete, kind, "labelled")
        cluster.kubectl("-n", complete, "delete", kind, "labelled", "--wait=false")
    cluster.wait_ready(complete, NAME)


@pytest.mark.parametrize("running", [True, False], ids=["operator running", "no operator"])
def test_deletion_leaves_nothing(cluster: Cluster, namespace: str, *, running: bool) -> None:
    """Owner references collect the children; no finalizer waits for the operator."""
    cluster.apply(namespace, model_server(NAME, **SPEC))
    cluster.wait_ready(namespace, NAME, 90)
    with contextlib.nullcontext() if running else cluster.without_operator():
        cluster.kubectl("-n", namespace, "delete", "modelserver", NAME, "--timeout=20s")
        selector = f"modelserver.dev/name={NAME}"
        kinds = ",".join([*KINDS, "replicasets", "pods"])
        eventually(lambda: not cluster.listing(namespace, kinds, selector), 90)
