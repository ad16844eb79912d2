"""The parts of Kubernetes' own types in the CRD, compared with what the API server says of them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_access import Cluster
from kubernetes.aio import client, config
from prometheus_client import CollectorRegistry

from modelserver_operator.cluster import Cluster as Client
from modelserver_operator.errors import ChildRefused
from modelserver_operator.kinds import HORIZONTAL_POD_AUTOSCALER
from modelserver_operator.metrics import Metrics

pytestmark = pytest.mark.cluster

CRD = Path(__file__).parents[2] / "crds" / "modelservers.yaml"
GROUPS = ("api/v1", "apis/autoscaling/v2", "apis/networking.k8s.io/v1")
MERGING = ("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type")

Schemas = Mapping[str, dict[str, Any]]


@pytest.fixture(scope="module")
def schemas(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Every type of the groups that the resource borrows from, by its name without the package."""
    found: dict[str, dict[str, Any]] = {}
    for group in GROUPS:
        document = json.loads(cluster.kubectl("get", "--raw", f"/openapi/v3/{group}").stdout)
        for name, schema in document["components"]["schemas"].items():
            found[name.rpartition(".")[2]] = schema
    return found


def borrowed(node: dict[str, Any], path: str = "spec") -> Iterator[tuple[str, dict[str, Any]]]:
    """Find each schema of the CRD that stands for a Kubernetes type."""
    if "externalDocs" in node:
        yield path, node
        return
    for name, below in node.get("properties", {}).items():
        yield from borrowed(below, f"{path}.{name}")
    if "items" in node:
        yield from borrowed(node["items"], f"{path}[]")


(VERSION,) = yaml.safe_load(CRD.read_text(encoding="utf-8"))["spec"]["versions"]
SPEC = VERSION["schema"]["openAPIV3Schema"]["properties"]["spec"]
BORROWED = dict(borrowed(SPEC))


def test_all_of_them_are_compared() -> None:
    """A new one is found by the link that it carries."""
    assert {path: node["externalDocs"]["description"] for path, node in BORROWED.items()} == {
        "spec.autoscaling.metrics[]": "MetricSpec",
        "spec.autoscaling.behavior": "HorizontalPodAutoscalerBehavior",
        "spec.networkPolicy.from[]": "NetworkPolicyPeer",
        "spec.networkPolicy.egress[]": "NetworkPolicyEgressRule",
        "spec.scheduling.tolerations[]": "Toleration",
        "spec.scheduling.affinity": "Affinity",
        "spec.scheduling.topologySpreadConstraints[]": "TopologySpreadConstraint",
    }


@pytest.mark.parametrize("path", BORROWED)
def test_a_borrowed_type_is_the_api_servers(schemas: Schemas, path: str) -> None:
    """Fields, required ones, enums, and how lists and maps are merged, to the leaves."""
    node = BORROWED[path]
    differences = list(_compare(node, schemas[node["externalDocs"]["description"]], schemas, path))
    assert differences == []


def test_constraints_are_merged_as_in_a_pod(schemas: Schemas) -> None:
    """Two people may each add a constraint, and the API server refuses the same one twice."""
    ours = SPEC["properties"]["scheduling"]["properties"]["topologySpreadConstraints"]
    theirs = schemas["PodSpec"]["properties"]["topologySpreadConstraints"]
    assert _merging(ours) == _merging(theirs)


async def test_a_field_of_a_newer_release_is_refused(cluster: Cluster) -> None:
    """In words that the operator takes for a refusal, though the status is a 500."""
    configuration = client.Configuration()
    kubeconfig = cluster.environment["KUBECONFIG"]
    await config.load_kube_config(kubeconfig, client_configuration=configuration)
    behavior = {"scaleUp": {"notInventedYet": "1"}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}
    autoscaler = {
        "apiVersion": HORIZONTAL_POD_AUTOSCALER.api_version,
        "kind": HORIZONTAL_POD_AUTOSCALER.name,
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"maxReplicas": 2, "scaleTargetRef": target, "behavior": behavior},
    }
    async with Client.connect(Metrics(CollectorRegistry()), configuration) as connected:
        with pytest.raises(ChildRefused, match=r"behavior\.scaleUp\.notInventedYet"):
            await connected.apply(HORIZONTAL_POD_AUTOSCALER, autoscaler)


def _compare(
    ours: dict[str, Any], theirs: dict[str, Any], schemas: Schemas, path: str
) -> Iterator[str]:
    theirs = _resolved(theirs, schemas)
    if _merging(ours) != _merging(theirs):
        yield f"{path}: merged by {_merging(ours)}, there by {_merging(theirs)}"
    if "enum" in theirs and set(ours.get("enum", ())) != set(theirs["enum"]):
        yield f"{path}: one of {ours.get('enum')}, there of {theirs['enum']}"
    if set(ours.get("required", ())) != set(theirs.get("required", ())):
        yield f"{path}: requires {ours.get('required')}, there {theirs.get('required')}"
    mine, other = ours.get("properties", {}), theirs.get("properties", {})
    if mine.keys() != other.keys():
        yield f"{path}: differs in the fields {sorted(mine.keys() ^ other.keys())}"
    for name in mine.keys() & other.keys():
        yield from _compare(mine[name], other[name], schemas, f"{path}.{name}")
    if "items" in ours:
        yield from _compare(ours["items"], theirs["items"], schemas, f"{path}[]")


def _resolved(schema: dict[str, Any], schemas: Schemas) -> dict[str, Any]:
    while reference := schema.get("$ref") or schema.get("allOf", [{}])[0].get("$ref"):
        schema = schemas[reference.rpartition(".")[2]]
    return schema


def _merging(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in MERGING if key in schema}
