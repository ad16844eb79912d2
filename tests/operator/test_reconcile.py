"""The flow against a cluster in memory: it converges, rests, heals, and leaves strangers alone."""

import copy
from dataclasses import replace
from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator import labels
from modelserver_operator.children import CHILDREN
from modelserver_operator.errors import ApiUnavailable, ChildRefused, StalePicture
from modelserver_operator.kinds import Kind
from modelserver_operator.reconcile import Outcome, runtime_image
from reconciled_world import KEY, World

AUTOSCALED = {"autoscaling": {"minReplicas": 3, "maxReplicas": 9}}
KINDS = tuple(child.kind.name for child in CHILDREN)
BARE: dict[str, dict[str, Any]] = {
    "ServiceAccount": {"apiVersion": "v1"},
    "Deployment": {
        "apiVersion": "apps/v1",
        "spec": {
            "selector": {"matchLabels": {"app": "theirs"}},
            "template": {
                "metadata": {"labels": {"app": "theirs"}},
                "spec": {"containers": [{"name": "x", "image": "localhost/x:1"}]},
            },
        },
    },
    "Service": {"apiVersion": "v1", "spec": {"ports": [{"port": 1}]}},
    "HorizontalPodAutoscaler": {
        "apiVersion": "autoscaling/v2",
        "spec": {
            "maxReplicas": 2,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "theirs"},
        },
    },
    "PodDisruptionBudget": {"apiVersion": "policy/v1", "spec": {"maxUnavailable": 0}},
    "NetworkPolicy": {"apiVersion": "networking.k8s.io/v1", "spec": {"podSelector": {}}},
    "ServiceMonitor": {"apiVersion": "monitoring.coreos.com/v1", "spec": {"endpoints": []}},
}
"""Objects of every kind that somebody else may have made under our name."""


def stranger(kind: str, **metadata: Any) -> dict[str, Any]:
    """Build an object called like our child that is somebody else's."""
    return {**copy.deepcopy(BARE[kind]), "kind": kind, "metadata": {"name": "web", **metadata}}


def everything() -> World:
    """Make a world with all eight children."""
    return World(serves_monitoring=True, **AUTOSCALED)


@pytest.mark.parametrize(
    "spec", [pytest.param({"replicas": 2}, id="fixed"), pytest.param(AUTOSCALED, id="autoscaled")]
)
async def test_children_and_one_status_are_all_it_writes(spec):
    """One apply a child and one status, whoever is to own the count; then nothing."""
    world = World(serves_monitoring=True, **spec)
    await world.run()
    made = [kind for kind in KINDS if kind != "HorizontalPodAutoscaler" or spec is AUTOSCALED]
    assert world.cluster.writes == [*(f"apply {kind}" for kind in made), "status"]
    assert (await world.run()).result == "unchanged"
    assert world.cluster.writes == []


async def test_a_new_operator_with_a_full_store_writes_nothing():
    """Not even when its default image is newer; that comes with the next edit."""
    world = everything()
    await world.run()
    world.settings = replace(world.settings, runtime_image="localhost/runtime:2")
    await world.run()
    assert world.cluster.writes == []
    world.edit(**AUTOSCALED, service={"port": 81})
    await world.run()
    template = world.child("Deployment")["spec"]["template"]["spec"]
    assert template["containers"][0]["image"] == "localhost/runtime:2"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_deleted_child_is_made_again(kind):
    """One write, of that child."""
    world = everything()
    await world.run()
    uid = world.child(kind)["metadata"]["uid"]
    world.remove(kind)
    await world.run()
    assert f"apply {kind}" in world.cluster.writes
    assert world.child(kind)["metadata"]["uid"] != uid
    await world.run()
    assert world.cluster.writes == []


@pytest.mark.parametrize("kind", KINDS)
async def test_an_edited_label_comes_back_and_a_foreign_one_stays(kind):
    """What is ours is ours, what is theirs is theirs."""
    world = everything()
    await world.run()
    body = world.child(kind)
    body["metadata"]["labels"] |= {"app.kubernetes.io/name": "edited", "team": "blue"}
    body["metadata"].setdefault("annotations", {})["team"] = "blue"
    world.replace(body)
    await world.settle()
    found = world.child(kind)["metadata"]
    assert found["labels"]["app.kubernetes.io/name"] == "modelserver"
    assert (found["labels"]["team"], found["annotations"]["team"]) == ("blue", "blue")


async def test_env_and_sidecars_of_others_survive():
    """Also when our own part of the pods changes."""
    world = World(replicas=2)
    await world.run()
    body = world.child("Deployment")
    pod = body["spec"]["template"]["spec"]
    pod["containers"].append({"name": "proxy", "image": "localhost/proxy:1"})
    pod["containers"][0]["env"] = [{"name": "TZ", "value": "UTC"}]
    world.replace(body)
    await world.run()
    assert world.cluster.writes == []
    world.edit(replicas=2, image="localhost/other:1")
    await world.settle()
    runtime, proxy = world.child("Deployment")["spec"]["template"]["spec"]["containers"]
    assert (runtime["image"], proxy["name"]) == ("localhost/other:1", "proxy")
    assert runtime["env"] == [{"name": "TZ", "value": "UTC"}]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_child_that_lost_its_labels_is_repaired_and_seen_again(kind):
    """To a watch by labels it is gone; it is found by name, and known from then on."""
    world = everything()
    await world.run()
    body = world.child(kind)
    body["metadata"]["labels"] = {}
    world.replace(body)
    await world.run()
    assert world.child(kind)["metadata"]["labels"][labels.NAME] == "web"
    await world.run()
    assert world.cluster.writes == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_child_that_lost_its_owner_is_ours_again(kind):
    """Our hash, our label and our entry among the field managers prove that we made it."""
    world = everything()
    await world.run()
    body = world.child(kind)
    body["metadata"]["ownerReferences"] = []
    world.replace(body)
    await world.settle()
    (reference,) = world.child(kind)["metadata"]["ownerReferences"]
    assert reference["uid"] == world.uid
    assert world.child(kind)["metadata"]["uid"] == body["metadata"]["uid"]


@pytest.mark.parametrize("kind", BARE)
async def test_a_stranger_is_left_alone(kind):
    """Nothing is written to it, the status says who is in the way, the rest is made."""
    world = everything()
    theirs = world.make_stranger(stranger(kind))
    outcome = await world.run()
    assert world.child(kind) == theirs
    assert [p.reason for p in outcome.problems] == ["NameConflict"]
    assert world.reasons()["Accepted"] == "NameConflict"
    held_back = {
        "ServiceAccount": {"Deployment", "HorizontalPodAutoscaler"},
        "Deployment": {"HorizontalPodAutoscaler"},  # it would scale a stranger's pods
    }.get(kind, set())
    assert {at.split("/")[0] for at in world.children()} == set(KINDS) - held_back


@pytest.mark.parametrize("kind", sorted(BARE.keys() - {"Deployment"}))
async def test_a_stranger_that_was_handed_over_becomes_ours(kind):
    """By an annotation that its owner puts on it."""
    world = everything()
    theirs = world.make_stranger(stranger(kind, annotations={labels.ADOPT: "web"}))
    await world.settle()
    adopted = world.child(kind)["metadata"]
    assert adopted["uid"] == theirs["metadata"]["uid"]
    assert adopted["ownerReferences"][0]["uid"] == world.uid


async def test_a_stranger_does_not_choose_the_image():
    """He may write our labels and annotations on what is his; when it goes, ours is as ever."""
    world = World(replicas=2)
    marks = {
        "labels": {labels.MANAGED_BY: labels.FIELD_MANAGER, labels.NAME: "web"},
        "annotations": {labels.RESOLVED_IMAGE: "localhost/theirs:1"},
    }
    world.make_stranger(stranger("Deployment", **marks))
    await world.run()
    assert world.reasons()["Accepted"] == "NameConflict"
    world.tell()
    observed = world.store.view(KEY)
    assert runtime_image(world.parsed, observed, "localhost/runtime:1") == "localhost/runtime:1"


@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        ("PodDisruptionBudget", {"minAvailable": None, "maxUnavailable": 1}),
        ("Deployment", {"seccompProfile": {"type": "Localhost", "localhostProfile": "own.json"}}),
    ],
)
async def test_what_somebody_set_instead_of_ours_goes(kind, edit):
    """An apply would put ours beside theirs, and the API server takes one of the two only."""
    world = World(replicas=3, disruptionBudget={"minAvailable": 2})
    await world.settle()
    good = world.child(kind)["spec"]
    if kind == "Deployment":
        edit = {"template": {"spec": {"securityContext": edit}}}
    world.cluster.server.edit(kind, *KEY, {"spec": edit})
    assert world.child(kind)["spec"] != good
    await world.settle()
    assert world.child(kind)["spec"] == good


async def test_a_mark_on_the_modelserver_takes_nothing():
    """It would let a tenant have what he may not touch."""
    world = World(replicas=2)
    world.make_stranger(stranger("Service"))
    body = world.server
    body["metadata"]["annotations"] = {labels.ADOPT: "web"}
    world.replace(body)
    outcome = await world.run()
    assert [p.reason for p in outcome.problems] == ["NameConflict"]


async def test_a_deployment_with_another_selector_cannot_be_adopted():
    """The selector is immutable: the status says so, nothing is changed."""
    world = everything()
    theirs = world.make_stranger(stranger("Deployment", annotations={labels.ADOPT: "web"}))
    outcome = await world.run()
    assert [p.reason for p in outcome.problems] == ["ImmutableField"]
    assert world.child("Deployment")["spec"] == theirs["spec"]


async def test_children_of_a_deleted_namesake_are_waited_for():
    """Kubernetes is about to collect them; look again soon."""
    world = World(replicas=2)
    world.cluster.server.garbage_collection = False
    world.make_stranger(stranger("Service", ownerReferences=[make.owner("u0")]))
    outcome = await world.run()
    assert [p.look_again_seconds for p in outcome.problems] == [2.0]
    assert world.reasons()["Stalled"] == "Progressing"


async def test_a_bad_spec_leaves_the_last_good_children():
    """Nothing is written to them; `Accepted` names the field."""
    world = World(replicas=2)
    await world.run()
    before = world.children()
    world.edit(model={"source": {}})
    await world.run()
    assert world.cluster.writes == ["status"]
    assert world.reasons()["Accepted"] == "InvalidSpec"
    assert world.children() == before


async def test_one_refused_child_does_not_keep_the_others_back():
    """The Service is there although the Deployment is not."""
    world = World(replicas=2)
    world.cluster.refuses["Deployment"] = ChildRefused("QuotaExceeded", "exceeded quota")
    await world.run()
    assert world.reasons()["Accepted"] == "QuotaExceeded"
    assert "apply Service" in world.cluster.writes


async def test_pods_wait_for_the_account_they_run_under():
    """A Deployment without its own ServiceAccount would run under a stranger's."""
    world = everything()
    world.cluster.refuses["ServiceAccount"] = ChildRefused("Forbidden", "no")
    await world.run()
    assert "apply Deployment" not in world.cluster.writes
    assert "apply HorizontalPodAutoscaler" not in world.cluster.writes
    assert "apply Service" in world.cluster.writes


async def test_an_api_server_that_does_not_answer_changes_no_status():
    """It is tried again; the status keeps what it says."""
    world = World(replicas=2)
    world.cluster.refuses["Service"] = ApiUnavailable("503")
    with pytest.raises(ApiUnavailable):
        await world.run()
    assert "status" not in world.cluster.writes


@pytest.mark.parametrize(
    ("kind", "section"),
    [
        ("HorizontalPodAutoscaler", {}),
        ("PodDisruptionBudget", {"disruptionBudget": {"policy": "None"}}),
        ("NetworkPolicy", {"networkPolicy": {"policy": "None"}}),
        ("ServiceMonitor", {"monitoring": {"policy": "Never"}}),
    ],
)
async def test_what_the_spec_no_longer_asks_for_goes(kind, section):
    """One delete, and back with one apply."""
    world = everything()
    await world.run()
    world.edit(**section | (AUTOSCALED if section else {}))
    await world.run()
    assert f"delete {kind}" in world.cluster.writes
    assert not world.cluster.server.objects(kind)
    world.edit(**AUTOSCALED)
    await world.settle()
    assert world.child(kind)


async def test_a_child_that_a_finalizer_holds_comes_back_when_it_is_gone():
    """Deleted once, however long it stays; wanted again, it is made as soon as its name is free."""
    kind = "HorizontalPodAutoscaler"
    world = everything()
    await world.run()
    held = {"metadata": {"finalizers": ["example.com/keep"]}}
    world.cluster.server.edit(kind, *KEY, held)
    world.edit(replicas=3)
    await world.run()
    assert f"delete {kind}" in world.cluster.writes
    await world.settle()
    dying = world.child(kind)
    assert "deletionTimestamp" in dying["metadata"]
    world.edit(**AUTOSCALED)
    await world.settle()
    world.cluster.server.edit(kind, *KEY, {"metadata": {"finalizers": []}})
    await world.settle()
    assert world.child(kind)["metadata"]["uid"] != dying["metadata"]["uid"]


async def test_what_is_refused_to_be_deleted_is_said():
    """The other children go on."""
    world = everything()
    await world.run()
    world.edit(replicas=3)
    world.cluster.refuses["HorizontalPodAutoscaler"] = ChildRefused("Forbidden", "no")
    outcome = await world.run()
    assert [p.reason for p in outcome.problems] == ["Forbidden"]
    assert "which is not wanted any more" in outcome.problems[0].message


async def test_an_object_of_ours_by_label_only_is_not_deleted():
    """Garbage is what has our uid."""
    world = World(replicas=2)
    await world.run()
    labelled = {labels.NAME: "web", labels.MANAGED_BY: labels.FIELD_MANAGER}
    world.make_stranger(stranger("HorizontalPodAutoscaler", labels=labelled))
    await world.run()
    assert world.cluster.writes == []


async def test_a_servicemonitor_comes_with_its_crd_and_its_absence_is_no_error():
    """Unless it was asked for in any case: then the status says what is missing."""
    world = World(replicas=2)
    assert (await world.run()).problems == ()
    world.edit(replicas=2, monitoring={"policy": "Always"})
    outcome = await world.run()
    assert [p.reason for p in outcome.problems] == ["MonitoringUnavailable"]
    assert world.child("Service")
    world.serve_monitoring(served=True)
    assert (await world.run()).problems == ()
    assert world.child("ServiceMonitor")
    world.edit(replicas=2)
    world.serve_monitoring(served=False)
    await world.settle()
    assert world.reasons()["Accepted"] == "Accepted"


async def test_settings_that_no_pod_reads_any_more_are_deleted():
    """But not while a ReplicaSet with pods names them: its pods may restart."""
    world = World(replicas=2)
    await world.run()
    old = world.child("ConfigMap")["metadata"]["name"]
    template = world.child("Deployment")["spec"]["template"]
    metadata = make.replica_set()["metadata"] | {
        "name": "web-1",
        "namespace": "team",
        "resourceVersion": "50",
        "labels": {labels.NAME: "web"},
    }
    replica_set = {"metadata": metadata, "spec": {"replicas": 2, "template": template}}
    kind = Kind("apps", "v1", "ReplicaSet", "replicasets")
    world.edit(replicas=2, server={"maxBatchRows": 7})
    world.tell()
    world.store.put(kind, copy.deepcopy(replica_set))
    await world.run(told=False)
    assert world.cluster.server.find("ConfigMap", "team", old)
    replica_set["spec"]["replicas"] = 0
    metadata["resourceVersion"] = "9999"
    world.store.put(kind, replica_set)
    await world.run(told=False)
    assert not world.cluster.server.find("ConfigMap", "team", old)


async def test_events_speak_of_what_turned_and_of_nothing_else():
    """Of a new server only `Ready`, and none when nothing turned."""
    world = World(replicas=2)
    await world.run()
    assert [event["reason"] for event in world.cluster.events] == ["RolloutInProgress"]
    world.cluster.events.clear()
    await world.run()
    assert world.cluster.events == []


async def test_nothing_that_pods_read_is_deleted_while_something_is_refused():
    """The old settings are those of the pods that still serve."""
    world = World(replicas=2)
    await world.run()
    old = world.child("ConfigMap")["metadata"]["name"]
    world.edit(replicas=2, server={"maxBatchRows": 7})
    world.cluster.refuses["Deployment"] = ChildRefused("Forbidden", "no")
    for _ in range(3):
        await world.run()
    assert world.cluster.server.find("ConfigMap", "team", old)


async def test_a_child_that_was_replaced_unseen_is_looked_at_again():
    """The write to the old uid is refused; the next run finds the new object a stranger's."""
    world = World(replicas=2)
    await world.run()
    world.tell()
    world.remove("Service")
    theirs = world.make_stranger(stranger("Service"))
    body = world.server
    body["spec"]["service"]["port"] = 81  # what makes it write, before the watch tells the rest
    world.replace(body)
    world.store.put(
        Kind("modelserver.dev", "v1alpha1", "ModelServer", "modelservers"), world.server
    )
    with pytest.raises(StalePicture):
        await world.run(told=False)
    await world.run(told=False)
    assert world.reasons()["Accepted"] == "NameConflict"
    assert world.child("Service") == theirs


async def test_a_modelserver_that_is_going_is_left_to_the_garbage_collector():
    """Or children would come back while it is deleted."""
    world = World(replicas=2)
    body = world.server
    body["metadata"]["finalizers"] = ["example.com/backup"]
    world.replace(body)
    world.cluster.server.delete("ModelServer", *KEY)
    await world.run()
    assert world.cluster.writes == []


async def test_what_is_not_known_is_not_touched():
    """A key may be run after its ModelServer is gone."""
    world = World(replicas=2)
    world.cluster.server.delete("ModelServer", *KEY)
    assert await world.run() == Outcome()
    assert world.cluster.writes == []
