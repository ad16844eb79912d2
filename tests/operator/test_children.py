"""The children as manifests: what a pod is made of, and what must not change by itself."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import modelserver_make as make
from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children import CHILDREN, desired_children
from modelserver_operator.children.configmap import desired_config_map
from modelserver_operator.children.deployment import desired_deployment, grace_seconds
from modelserver_operator.children.serviceaccount import desired_service_account

GOLDEN = Path(__file__).parent / "golden"
PINNED = {
    "name": "tumours",
    "version": "1.0.0",
    "digest": "sha256:" + "0" * 64,
    "formats": ["onnx"],
    "source": {"configMap": {"name": "tumours-1"}},
}
SPECS: dict[str, dict[str, Any]] = {
    "minimal": {},
    "fuller": {
        "model": PINNED,
        "image": "localhost/runtime:2",
        "imagePullPolicy": "Always",
        "imagePullSecrets": [{"name": "registry"}],
        "replicas": 3,
        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1500m", "memory": "1Gi"}},
    },
}


def parsed(**spec: Any) -> ModelServer:
    """Build a parsed ModelServer."""
    return ModelServer.parse(make.server(**spec))


def built(**spec: Any) -> dict[str, dict[str, Any]]:
    """Build every child, by kind."""
    server = parsed(**spec)
    image = server.spec.image or "localhost/runtime:1"
    return {b["kind"]: b for _, b in desired_children(server, runtime_image=image)}


@pytest.mark.parametrize("name", SPECS)
def test_the_deployment_is_the_golden_one(name):
    """A change of the template restarts every model pod: edit the file, and say so."""
    golden = yaml.safe_load((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8"))
    assert built(**SPECS[name])["Deployment"] == golden


def test_a_pod_has_time_for_all_it_has_to_do_before_it_is_killed():
    """The preStop pause, the drain, the longest request, and five seconds to exit."""
    children = built()
    pod = children["Deployment"]["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    settings = children["ConfigMap"]["data"]
    drain = int(settings["MODELSERVER_DRAIN_SECONDS"])
    request = int(settings["MODELSERVER_REQUEST_TIMEOUT_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] == pause + drain + request + 5 == grace_seconds()


def test_a_model_has_its_whole_time_to_load():
    """The kubelet gives up no earlier than the runtime does."""
    children = built()
    probe = children["Deployment"]["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    patience = probe["periodSeconds"] * probe["failureThreshold"]
    assert patience >= int(children["ConfigMap"]["data"]["MODELSERVER_LOAD_TIMEOUT_SECONDS"])


def test_pods_have_no_way_into_the_api_server():
    """Neither the account nor the pod asks for a token."""
    assert desired_service_account(parsed())["automountServiceAccountToken"] is False
    pod = built()["Deployment"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "web"


def test_settings_are_immutable_and_named_after_their_content():
    """Other settings are another object; the same are the same, whoever builds them."""
    first, again = desired_config_map(parsed()), desired_config_map(parsed(uid="u2", replicas=9))
    other = desired_config_map(parsed(model=PINNED))
    assert first["immutable"] is True
    assert first["metadata"]["name"] == again["metadata"]["name"]
    assert first["metadata"]["name"] != other["metadata"]["name"]
    assert first["data"] == again["data"]


def test_the_pod_reads_the_settings_that_are_made():
    """The name in the template is that of the ConfigMap."""
    children = built(**SPECS["fuller"])
    container = children["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    name = children["ConfigMap"]["metadata"]["name"]
    assert container["envFrom"] == [{"configMapRef": {"name": name}}]


def test_the_selector_never_changes():
    """It is immutable: no version, image or count is part of it, and the template carries it."""
    deployments = [built(**spec)["Deployment"]["spec"] for spec in SPECS.values()]
    selectors = [d["selector"]["matchLabels"] for d in deployments]
    assert selectors == [{labels.NAME: "web", labels.TRACK: "stable"}] * 2
    for deployment in deployments:
        pod_labels = deployment["template"]["metadata"]["labels"]
        assert deployment["selector"]["matchLabels"].items() <= pod_labels.items()


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param({}, None, id="somebody else's when nothing is said"),
        pytest.param({"replicas": 0}, 0, id="none at all is a number too"),
        pytest.param({"replicas": 5}, 5, id="fixed"),
        pytest.param({"replicas": 5, "suspend": True}, 0, id="suspended is stronger"),
    ],
)
def test_the_count_is_set_only_where_it_is_ours(spec, want):
    """A field that we do not set, we do not own."""
    deployment = desired_deployment(parsed(**spec), runtime_image="x")
    assert deployment["spec"].get("replicas") == want


@pytest.mark.parametrize(
    ("cpu", "threads"),
    [pytest.param("500m", "1"), pytest.param("1500m", "2"), pytest.param("4", "4")],
)
def test_numeric_libraries_get_as_many_threads_as_cores(cpu, threads):
    """Rounded up: half a core is one thread."""
    resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": cpu}}
    assert built(resources=resources)["ConfigMap"]["data"]["OMP_NUM_THREADS"] == threads


def test_without_a_cpu_limit_the_libraries_count_for_themselves():
    """There is nothing to pin them to."""
    assert "OMP_NUM_THREADS" not in built(resources={"limits": {}})["ConfigMap"]["data"]


def test_every_child_dies_with_its_modelserver():
    """Its controller by uid; no right on the finalizers of a ModelServer is needed for that."""
    for child, body in desired_children(parsed(), runtime_image="x"):
        metadata = body["metadata"]
        (reference,) = metadata["ownerReferences"]
        assert (body["apiVersion"], body["kind"]) == (child.kind.api_version, child.kind.name)
        assert (reference["uid"], reference["controller"]) == ("u1", True)
        assert "blockOwnerDeletion" not in reference
        assert metadata["labels"][labels.NAME] == "web"
        assert metadata["namespace"] == "team"


def test_children_are_applied_after_what_they_need():
    """Or a pod would wait for its settings."""
    before = set()
    for child in CHILDREN:
        assert child.needs <= before
        before.add(child.kind)


def test_builders_leave_their_input_and_each_other_alone():
    """A fresh dict each time: whoever edits one edits no other."""
    server = parsed()
    first = desired_deployment(server, runtime_image="x")
    first["metadata"]["labels"]["x"] = first["spec"]["selector"]["matchLabels"]["x"] = "edited"
    assert "edited" not in str(desired_deployment(server, runtime_image="x"))
