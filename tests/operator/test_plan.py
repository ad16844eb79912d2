"""What must be written so that what is becomes what should be."""

import copy
from typing import Any

import modelserver_make as make
from modelserver_operator.api import ModelServer
from modelserver_operator.children import CHILDREN, desired_children
from modelserver_operator.children.surroundings import Surroundings
from modelserver_operator.errors import ChildRefused
from modelserver_operator.plan import Plan, make_plan
from modelserver_operator.store import ChildId, Observed

SERVER = ModelServer.parse(make.server(replicas=2))
DESIRED = desired_children(SERVER, Surroundings("localhost/runtime:1"))
KINDS = [child.kind.name for child, _ in DESIRED]


def plan(*live: dict[str, Any], replica_sets: list[dict[str, Any]] | None = None) -> Plan:
    """Plan with *live* as what was seen."""
    children = {ChildId(body["kind"], body["metadata"]["name"]): body for body in live}
    observed = Observed(children=children, replica_sets=replica_sets or [])
    return make_plan(SERVER, DESIRED, observed)


def applied() -> list[dict[str, Any]]:
    """Give the children as an apply leaves them."""
    return [copy.deepcopy(step.desired) for step in plan().applies]


def old_settings(**metadata: Any) -> dict[str, Any]:
    """Build a ConfigMap of ours that nothing asks for any more."""
    references = {"ownerReferences": [make.owner("u1")]}
    return {"kind": "ConfigMap", "metadata": {"name": "web-settings-old", **references, **metadata}}


def reader(kind: str, replicas: int = 1) -> dict[str, Any]:
    """Build a workload that reads those settings."""
    container = {"envFrom": [{"configMapRef": {"name": "web-settings-old"}}]}
    template = {"spec": {"containers": [container]}}
    spec = {"replicas": replicas, "template": template}
    return {"kind": kind, "metadata": {"name": "web", "annotations": {}}, "spec": spec}


def test_where_nothing_was_seen_everything_is_looked_up_and_applied():
    """In the order of the children; nothing is deleted."""
    steps = plan()
    assert [(s.child.kind.name, s.live) for s in steps.applies] == [(k, None) for k in KINDS]
    assert steps.removals == steps.old_settings == ()


def test_where_everything_is_as_it_should_be_nothing_is_planned():
    """Whatever others have added."""
    live = applied()
    for body in live:
        body["metadata"]["labels"]["team"] = "blue"
        body["status"] = {"replicas": 2}
    assert plan(*live) == Plan()


def test_a_field_that_we_no_longer_set_is_pruned():
    """The comparison cannot see it, the hash does: what was applied is not what is desired."""
    live = applied()
    live[-1]["metadata"]["annotations"]["modelserver.dev/applied-hash"] = "of an older operator"
    (step,) = plan(*live).applies
    assert (step.child.kind.name, step.live) == (KINDS[-1], live[-1])


def test_what_somebody_else_controls_is_looked_up_again():
    """It may have become ours or gone; the plan does not write to it unseen."""
    live = applied()
    live[-1]["metadata"]["ownerReferences"] = [make.owner("theirs", "Job")]
    (step,) = plan(*live).applies
    assert step.live is None


def test_settings_of_an_older_spec_are_garbage():
    """They have our uid and nobody reads them."""
    garbage = old_settings()
    assert [d.live for d in plan(*applied(), garbage).old_settings] == [garbage]


def test_a_label_makes_nothing_garbage():
    """Only what has our uid as its controller is ours to delete."""
    labelled = old_settings(ownerReferences=[], labels={"modelserver.dev/name": "web"})
    assert plan(*applied(), labelled).old_settings == ()


def test_settings_stay_while_pods_read_them():
    """A pod that restarts reads them anew; a ReplicaSet without pods does not."""
    garbage = old_settings()
    for replicas, deleted in ((1, 0), (0, 1)):
        found = plan(*applied(), garbage, replica_sets=[reader("ReplicaSet", replicas)])
        assert len(found.old_settings) == deleted


def test_settings_stay_while_the_deployment_names_them():
    """Its next template is not applied yet, and may be refused."""
    others = [body for body in applied() if body["kind"] != "Deployment"]
    assert plan(*others, reader("Deployment"), old_settings()).old_settings == ()


def autoscaler(**metadata: Any) -> dict[str, Any]:
    """Build an autoscaler that the spec does not ask for."""
    references = {"ownerReferences": [make.owner("u1")]}
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", **references, **metadata},
    }


def test_a_child_whose_section_is_gone_is_removed():
    """If our uid controls it."""
    assert [d.live for d in plan(*applied(), autoscaler()).removals] == [autoscaler()]
    theirs = autoscaler(ownerReferences=[], labels={"modelserver.dev/name": "web"})
    assert plan(*applied(), theirs).removals == ()


def test_what_cannot_be_is_neither_applied_nor_removed():
    """It is wanted: what there is of it stays until it can be had."""
    child = next(c for c in CHILDREN if c.kind.name == "HorizontalPodAutoscaler")
    refused = ChildRefused("X", "not here")
    observed = Observed(children={ChildId("HorizontalPodAutoscaler", "web"): autoscaler()})
    found = make_plan(SERVER, [(child, refused)], observed)
    assert [step.why for step in found.applies] == [refused]
    assert found.removals == ()
