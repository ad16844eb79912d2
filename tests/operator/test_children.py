"""The children as manifests: what must be in every one, and what must not change by itself."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import modelserver_make as make
from modelserver_operator import labels
from modelserver_operator.children import CHILDREN, desired_children
from modelserver_operator.errors import ChildRefused

GOLDEN = Path(__file__).parent / "golden"
KINDS = {child.kind.name for child in CHILDREN}


@pytest.mark.parametrize("name", make.SPECS)
def test_the_manifests_are_the_golden_ones(name):
    """A change of the pod template restarts every model pod: edit the file, and say so."""
    golden = list(yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")))
    assert list(make.children(**make.SPECS[name]).values()) == golden


def test_everything_on_is_every_kind():
    """Or the golden manifests would say less than they seem to."""
    assert make.children(**make.SPECS["fuller"]).keys() == KINDS


@pytest.mark.parametrize("name", make.SPECS)
def test_every_child_dies_with_its_modelserver(name):
    """Its controller by uid; no right on the finalizers of a ModelServer is needed for that."""
    for child, body in desired_children(make.parsed(**make.SPECS[name]), make.SURROUNDINGS):
        assert not isinstance(body, ChildRefused)
        metadata = body["metadata"]
        (reference,) = metadata["ownerReferences"]
        assert (body["apiVersion"], body["kind"]) == (child.kind.api_version, child.kind.name)
        assert (reference["uid"], reference["controller"]) == ("u1", True)
        assert "blockOwnerDeletion" not in reference
        assert metadata["labels"][labels.NAME] == "web"
        assert metadata["labels"][labels.MANAGED_BY] == labels.FIELD_MANAGER
        assert metadata["namespace"] == "team"


def test_children_are_applied_after_what_they_need():
    """Or a pod would wait for its settings, and an autoscaler set a count that is still ours."""
    before = set()
    for child in CHILDREN:
        assert child.needs <= before
        before.add(child.kind)


@pytest.mark.parametrize("name", make.SPECS)
def test_builders_leave_their_input_and_each_other_alone(name):
    """A fresh dict each time, down to the leaves: whoever edits one edits no other."""
    server = make.parsed(**make.SPECS[name])
    first = desired_children(server, make.SURROUNDINGS)
    want = str(first)
    for _, body in first:
        assert not isinstance(body, ChildRefused)
        spoil(body)
    assert "spoilt" in str(first)
    assert str(desired_children(server, make.SURROUNDINGS)) == want


def spoil(value: Any) -> None:
    """Change every dict and list of *value* in place."""
    if isinstance(value, dict):
        for part in value.values():
            spoil(part)
        value["spoilt"] = True
    if isinstance(value, list):
        for part in value:
            spoil(part)
        value.append("spoilt")


@pytest.mark.parametrize("name", make.SPECS)
def test_a_builder_sets_nothing_that_the_api_server_would_not_store(name):
    """
    Empty lists and texts are not stored: they would look like a difference for ever.

    The policy's empty egress is there all the same, and `drift.py` knows it: to own the field.
    """
    for body in make.children(**make.SPECS[name]).values():
        meant = ("podSelector", ".spec.egress")
        assert [path for path in empty_parts(body) if not path.endswith(meant)] == []


def empty_parts(value: Any, path: str = "") -> list[str]:
    """Name everything in *value* that is empty."""
    if value in ("", None, [], {}):
        return [path]
    if isinstance(value, dict):
        return [hit for name, part in value.items() for hit in empty_parts(part, f"{path}.{name}")]
    if isinstance(value, list):
        return [hit for part in value for hit in empty_parts(part, path)]
    return []


def test_selectors_are_the_same_for_every_spec():
    """One is immutable, and all must find the pods: no version, image or label of a user."""
    for spec in make.SPECS.values():
        children = make.children(**spec)
        stable = {labels.NAME: "web", labels.TRACK: "stable"}
        assert children["Deployment"]["spec"]["selector"] == {"matchLabels": stable}
        assert children["Service"]["spec"]["selector"] == stable
        named = {"matchLabels": {labels.NAME: "web"}}
        assert children["PodDisruptionBudget"]["spec"]["selector"] == named
        assert children["NetworkPolicy"]["spec"]["podSelector"] == named
        pod_labels = children["Deployment"]["spec"]["template"]["metadata"]["labels"]
        assert stable.items() <= pod_labels.items()


def test_a_servicemonitor_selects_the_service():
    """By a label that the Service carries."""
    children = make.children()
    wanted = children["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= children["Service"]["metadata"]["labels"].items()
