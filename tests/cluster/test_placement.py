"""Which nodes the pods run on."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from cluster_access import OPERATOR, ROOT, TINY, Cluster, eventually, model_server
from nodes import nodes

pytestmark = pytest.mark.cluster

POOL = {"example.com/test-pool": "models"}


def of_the_production_example() -> dict[str, Any]:
    """How `examples/production.yaml` spreads its pods."""
    path = ROOT / "examples" / "production.yaml"
    bodies = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    [server] = [body for body in bodies if body["kind"] == "ModelServer"]
    return server["spec"]["scheduling"]


SCHEDULING = {
    "nothing-said": {},
    "as-in-production": of_the_production_example(),
    "in-a-pool": {"nodeSelector": POOL},
}


@pytest.fixture
def pool(cluster: Cluster) -> Iterator[None]:
    """Put every node into the pool."""
    with contextlib.ExitStack() as undo:
        for node in nodes(cluster):
            cluster.kubectl("label", "node", node, *(f"{k}={v}" for k, v in POOL.items()))
            undo.callback(cluster.kubectl, "label", "node", node, *(f"{key}-" for key in POOL))
        yield


@pytest.mark.usefixtures("pool")
def test_two_pods_are_on_two_nodes(cluster: Cluster, namespace: str) -> None:
    """
    Wherever there is room: one node that fails never takes the whole server along.

    Pods that ask for little, and none of tests that have ended: room is on every node.
    """
    eventually(lambda: not places_of_ended_tests(cluster, namespace), 120)
    for name, scheduling in SCHEDULING.items():
        server = model_server(name, replicas=2, resources=TINY, scheduling=scheduling)
        cluster.apply(namespace, server)
    for name in SCHEDULING:
        cluster.wait_ready(namespace, name, 90)
        pods = cluster.listing(namespace, "pods", f"modelserver.dev/name={name}")
        assert sorted(pod["spec"]["nodeName"] for pod in pods) == sorted(nodes(cluster)), name


def places_of_ended_tests(cluster: Cluster, namespace: str) -> set[str]:
    """Name the namespaces with pods of other tests; the server that all tests share stays."""
    found = cluster.kubectl("get", "pods", "--all-namespaces", "-o", "json").stdout
    places = {pod["metadata"]["namespace"] for pod in json.loads(found)["items"]}
    others = {place for place in places if place.startswith("test-")} - {namespace}
    return {place for place in others if not place.startswith("test-served-")}


def test_the_operator_is_spread_whether_nodes_have_zones_or_not(cluster: Cluster) -> None:
    """By one constraint: the scheduler passes over nodes that lack the label of any."""
    chart = (OPERATOR, str(ROOT / "charts" / OPERATOR), "--kube-version", "1.31")
    one = ("--show-only", "templates/deployment.yaml")
    deployment = yaml.safe_load(cluster.run("helm", "template", *chart, *one))
    pod = deployment["spec"]["template"]["spec"]
    [constraint] = pod["topologySpreadConstraints"]
    assert constraint["topologyKey"] == "kubernetes.io/hostname"
    [(_, [preferred])] = pod["affinity"]["podAntiAffinity"].items()
    assert preferred["podAffinityTerm"]["topologyKey"] == "topology.kubernetes.io/zone"
