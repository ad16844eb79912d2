"""The flow against a cluster in memory: it converges, rests, heals, and leaves strangers alone."""

import copy
import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children import desired_children
from modelserver_operator.errors import ApiUnavailable, ChildRefused, StalePicture
from modelserver_operator.kinds import MODEL_SERVER, Kind
from modelserver_operator.reconcile import Outcome, Settings, reconcile
from modelserver_operator.store import ChildId, Key, Store

KEY = Key("team", "web")
CHILDREN = ("ServiceAccount", "ConfigMap", "Deployment", "Service")


class MemoryCluster:
    """
    Objects by kind and name, and every write.

    An apply merges dicts and replaces lists; fields that a manager drops and nobody else holds go.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.writes: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.refuses: dict[str, Exception] = {}
        self._versions = itertools.count(10)
        self._applied: dict[tuple[str, str, str], dict[str, Any]] = {}

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """Read one."""
        return copy.deepcopy(self.objects.get((kind.name, name)))

    async def apply(
        self, kind: Kind, body: dict[str, Any], *, manager: str = labels.FIELD_MANAGER
    ) -> dict[str, Any]:
        """Merge, and drop what the manager no longer sets."""
        self.writes.append(f"apply {kind.name}")
        if kind.name in self.refuses:
            raise self.refuses[kind.name]
        where = (kind.name, body["metadata"]["name"])
        live = self.objects.get(where)
        uid = body["metadata"].get("uid")
        if uid and (live is None or live["metadata"]["uid"] != uid):
            raise StalePicture("uid mismatch")
        if live is None:
            for held in [h for h in self._applied if h[:2] == where]:
                del self._applied[held]
            live = {"metadata": {"uid": f"uid-{next(self._versions)}", "managedFields": []}}
            if kind.name == "Deployment":
                live["metadata"]["generation"] = 1
        before = self._applied.get((*where, manager), {})
        others = [held for (*at, who), held in self._applied.items() if tuple(at) == where != who]
        self._drop(live, before, body, [o for o in others if o is not before])
        self._merge(live, body)
        self._applied[*where, manager] = copy.deepcopy(body)
        fields = {"f:spec": {"f:replicas": {}}} if "replicas" in body.get("spec", {}) else {}
        managers = [m for m in live["metadata"]["managedFields"] if m["manager"] != manager]
        live["metadata"]["managedFields"] = [*managers, {"manager": manager, "fieldsV1": fields}]
        return self._store(where, live)

    async def overwrite(self, kind: Kind, live: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        """Only count it."""
        self.writes.append(f"overwrite {kind.name}")

    async def delete(self, kind: Kind, live: Mapping[str, Any]) -> None:
        """Remove it."""
        self.writes.append(f"delete {kind.name}")
        self.objects.pop((kind.name, live["metadata"]["name"]), None)

    async def patch_status(
        self, server: Mapping[str, Any], status: dict[str, Any]
    ) -> dict[str, Any]:
        """Merge the status."""
        self.writes.append("status")
        live = copy.deepcopy(dict(server))
        live["status"] = make.merged(live.get("status", {}), status)
        live["metadata"]["resourceVersion"] = str(next(self._versions))
        return live

    async def create_event(self, body: dict[str, Any]) -> None:
        """Keep it."""
        self.events.append(body)

    def _store(self, where: tuple[str, str], live: dict[str, Any]) -> dict[str, Any]:
        live["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[where] = live
        return copy.deepcopy(live)

    def _merge(self, live: dict[str, Any], body: Mapping[str, Any]) -> None:
        for name, value in body.items():
            if isinstance(value, dict) and isinstance(live.get(name), dict):
                self._merge(live[name], value)
            else:
                live[name] = copy.deepcopy(value)

    def _drop(
        self,
        live: dict[str, Any],
        before: Mapping[str, Any],
        body: Mapping[str, Any],
        others: list[Any],
    ) -> None:
        for name, value in before.items():
            held = [other[name] for other in others if name in other]
            if name not in body:
                if not held:
                    live.pop(name, None)
            elif isinstance(value, dict) and isinstance(body[name], dict):
                self._drop(live[name], value, body[name], held)


class World:
    """A store, a cluster and a ModelServer, reconciled as the controller would."""

    def __init__(self, **spec: Any) -> None:
        self.store, self.cluster = Store(), MemoryCluster()
        self.image = "localhost/runtime:1"
        self.edit(make.server(**spec))

    def edit(self, body: dict[str, Any]) -> None:
        """Change the ModelServer, keeping its status, as its owner would."""
        known = self.store.view(KEY).server
        body["metadata"]["resourceVersion"] = str(next(self.cluster._versions))
        self.store.put(MODEL_SERVER, body | ({"status": known.get("status", {})} if known else {}))

    async def run(self) -> Outcome:
        """Reconcile once; the writes of this run alone are kept."""
        self.cluster.writes.clear()
        clock = datetime(2026, 1, 1, tzinfo=UTC)
        settings = Settings(self.image, "test", now=lambda: clock)
        return await reconcile(KEY, self.store, self.cluster, settings)

    def child(self, kind: str) -> dict[str, Any]:
        """Give the live child of *kind*, to be looked at or tampered with."""
        return next(body for (k, _), body in self.cluster.objects.items() if k == kind)

    def tell(self, kind: str, body: dict[str, Any]) -> None:
        """Have the watch tell of *body*."""
        body["metadata"]["resourceVersion"] = str(next(self.cluster._versions))
        kinds = {"Deployment": ("apps", "v1", "Deployment", "deployments")}
        self.store.put(Kind(*kinds.get(kind, ("", "v1", kind, kind.lower() + "s"))), body)

    def reasons(self) -> dict[str, str]:
        """Give the reason of each condition."""
        server = self.store.view(KEY).server
        assert server is not None
        return {c["type"]: c["reason"] for c in server["status"]["conditions"]}


async def test_children_and_one_status_are_all_it_writes():
    """A fixed count: four applies and one status; then nothing."""
    world = World(replicas=2)
    await world.run()
    assert world.cluster.writes == [*(f"apply {kind}" for kind in CHILDREN), "status"]
    assert (await world.run()).result == "unchanged"
    assert world.cluster.writes == []


async def test_a_new_operator_with_a_full_store_writes_nothing():
    """Not even when its default image is newer; that comes with the next edit."""
    world = World(replicas=2)
    await world.run()
    world.image = "localhost/runtime:2"
    await world.run()
    assert world.cluster.writes == []
    world.edit(make.server(replicas=3, generation=2))
    await world.run()
    template = world.child("Deployment")["spec"]["template"]["spec"]
    assert template["containers"][0]["image"] == "localhost/runtime:2"


@pytest.mark.parametrize("kind", CHILDREN)
async def test_a_deleted_child_is_made_again(kind):
    """One write, of that child."""
    world = World(replicas=2)
    await world.run()
    body = world.child(kind)
    del world.cluster.objects[kind, body["metadata"]["name"]]
    world.store.drop(body["metadata"]["uid"])
    await world.run()
    assert f"apply {kind}" in world.cluster.writes
    assert world.child(kind)["metadata"]["uid"] != body["metadata"]["uid"]
    await world.run()
    assert world.cluster.writes == []


@pytest.mark.parametrize("kind", CHILDREN)
async def test_an_edited_label_comes_back_and_a_foreign_one_stays(kind):
    """What is ours is ours, what is theirs is theirs."""
    world = World(replicas=2)
    await world.run()
    body = world.child(kind)
    body["metadata"]["labels"] |= {"app.kubernetes.io/name": "edited", "team": "blue"}
    world.tell(kind, copy.deepcopy(body))
    await world.run()
    found = world.child(kind)["metadata"]["labels"]
    assert (found["app.kubernetes.io/name"], found["team"]) == ("modelserver", "blue")


@pytest.mark.parametrize("kind", CHILDREN)
async def test_a_child_that_lost_its_labels_is_repaired_and_seen_again(kind):
    """To a watch by labels it is gone; it is found by name, and known from then on."""
    world = World(replicas=2)
    await world.run()
    body = world.child(kind)
    body["metadata"]["labels"] = {}
    world.store.drop(body["metadata"]["uid"], int(body["metadata"]["resourceVersion"]))
    await world.run()
    assert world.child(kind)["metadata"]["labels"][labels.NAME] == "web"
    await world.run()
    assert world.cluster.writes == []


@pytest.mark.parametrize("kind", ["Deployment", "Service", "ServiceAccount"])
async def test_a_stranger_is_left_alone(kind):
    """Nothing is written to it, the status says who is in the way, the rest is made."""
    world = World(replicas=2)
    stranger = {"metadata": {"name": "web", "uid": "theirs", "resourceVersion": "5"}}
    world.cluster.objects[kind, "web"] = copy.deepcopy(stranger)
    outcome = await world.run()
    assert world.cluster.objects[kind, "web"] == stranger
    assert [p.reason for p in outcome.problems] == ["NameConflict"]
    assert world.reasons()["Accepted"] == "NameConflict"
    held_back = {"Deployment"} if kind == "ServiceAccount" else set()
    made = {k for k, _ in world.cluster.objects}
    assert made == set(CHILDREN) - held_back


async def test_a_stranger_that_was_handed_over_becomes_ours():
    """By an annotation that its owner puts on it."""
    world = World(replicas=2)
    annotations = {labels.ADOPT: "web"}
    metadata = {"name": "web", "uid": "theirs", "resourceVersion": "5", "annotations": annotations}
    world.cluster.objects["Service", "web"] = {"metadata": metadata | {"managedFields": []}}
    await world.run()
    adopted = world.child("Service")["metadata"]
    assert (adopted["uid"], adopted["ownerReferences"][0]["uid"]) == ("theirs", "u1")


async def test_children_of_a_deleted_namesake_are_waited_for():
    """Kubernetes is about to collect them; look again soon."""
    world = World(replicas=2)
    metadata = {"name": "web", "uid": "old", "resourceVersion": "5"}
    references = [make.owner("u0")]
    world.cluster.objects["Service", "web"] = {
        "metadata": metadata | {"ownerReferences": references}
    }
    outcome = await world.run()
    assert [p.look_again_seconds for p in outcome.problems] == [2.0]
    assert world.reasons()["Stalled"] == "Progressing"


async def test_a_bad_spec_leaves_the_last_good_children():
    """Nothing is written to them; `Accepted` names the field."""
    world = World(replicas=2)
    await world.run()
    bad = make.server(generation=2)
    bad["spec"]["model"] = {"source": {}}
    world.edit(bad)
    await world.run()
    assert world.cluster.writes == ["status"]
    assert world.reasons()["Accepted"] == "InvalidSpec"
    assert {kind for kind, _ in world.cluster.objects} == set(CHILDREN)


async def test_one_refused_child_does_not_keep_the_others_back():
    """The Service is there although the Deployment is not."""
    world = World(replicas=2)
    world.cluster.refuses["Deployment"] = ChildRefused("QuotaExceeded", "exceeded quota")
    await world.run()
    assert world.reasons()["Accepted"] == "QuotaExceeded"
    assert "apply Service" in world.cluster.writes


async def test_an_api_server_that_does_not_answer_changes_no_status():
    """It is tried again; the status keeps what it says."""
    world = World(replicas=2)
    world.cluster.refuses["Service"] = ApiUnavailable("503")
    with pytest.raises(ApiUnavailable):
        await world.run()
    assert "status" not in world.cluster.writes


async def test_the_count_never_jumps_when_it_changes_hands():
    """Fixed, left to others, changed by them, suspended and back."""
    world = World(replicas=3)
    await world.run()
    counts = [world.child("Deployment")["spec"]["replicas"]]
    for generation, spec in enumerate(({}, {"suspend": True}, {}, {"replicas": 4}), start=2):
        world.edit(make.server(generation=generation, **spec))
        await world.run()
        counts.append(world.child("Deployment")["spec"]["replicas"])
        await world.run()
        assert world.cluster.writes == []
    assert counts == [3, 3, 0, 2, 4]


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
    world.store.put(kind, copy.deepcopy(replica_set))
    changed = make.server(replicas=2, generation=2)
    changed["spec"]["model"]["version"] = "2.0.0"
    world.edit(changed)
    await world.run()
    assert ("ConfigMap", old) in world.cluster.objects
    replica_set["spec"]["replicas"] = 0
    metadata["resourceVersion"] = "9999"
    world.store.put(kind, replica_set)
    await world.run()
    assert ("ConfigMap", old) not in world.cluster.objects
    assert ChildId("ConfigMap", old) not in world.store.view(KEY).children


async def test_events_speak_of_what_turned_and_of_nothing_else():
    """Four at first, none when nothing turned."""
    world = World(replicas=2)
    await world.run()
    assert [e["reason"] for e in world.cluster.events] == [
        "Accepted",
        "NoReadyPods",
        "RolloutInProgress",
        "Progressing",
    ]
    world.cluster.events.clear()
    await world.run()
    assert world.cluster.events == []


def places(desired: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """Walk to every value that a builder sets."""
    inside = desired.items() if isinstance(desired, dict) else enumerate(desired)
    for name, value in inside:
        if isinstance(value, dict | list) and value:
            yield from places(value, *path, name)
        else:
            yield (*path, name)


SERVER = ModelServer.parse(make.server(replicas=2))
FIELDS = [
    (body["kind"], path)
    for _, body in desired_children(SERVER, runtime_image="localhost/runtime:1")
    for path in places(body)
    if path[0] not in ("apiVersion", "kind") and path[:2] != ("metadata", "ownerReferences")
    if path not in (("metadata", "name"), ("metadata", "namespace"))
    if labels.RESOLVED_IMAGE not in path  # it is where the choice is kept: an edit is a choice
]


@pytest.mark.parametrize("edited", [True, False], ids=["edited", "removed"])
@pytest.mark.parametrize(
    ("kind", "path"), FIELDS, ids=[f"{kind}:{'.'.join(map(str, path))}" for kind, path in FIELDS]
)
async def test_any_field_of_ours_comes_back(kind, path, edited):
    """Whoever changed or removed it, one run puts it back and the next writes nothing."""
    world = World(replicas=2)
    await world.run()
    good = copy.deepcopy(world.child(kind))
    parent = live = copy.deepcopy(good)
    for name in path[:-1]:
        parent = parent[name]
    if edited:
        quantity = {"requests", "limits"} & set(path)  # the API server takes no other
        parent[path[-1]] = "7" if quantity else "edited"
    else:
        del parent[path[-1]]
    world.cluster.objects[kind, live["metadata"]["name"]] = live
    world.tell(kind, copy.deepcopy(live))
    await world.run()
    healed = world.child(kind)
    assert {**healed, "metadata": None} == {**good, "metadata": None}
    assert healed["metadata"]["labels"] == good["metadata"]["labels"]
    assert healed["metadata"]["annotations"] == good["metadata"]["annotations"]
    await world.run()
    assert world.cluster.writes == []


async def test_pods_wait_for_the_account_they_run_under():
    """A Deployment without its own ServiceAccount would run under a stranger's."""
    world = World(replicas=2)
    world.cluster.refuses["ServiceAccount"] = ChildRefused("Forbidden", "no")
    await world.run()
    assert "apply Deployment" not in world.cluster.writes
    assert "apply Service" in world.cluster.writes


async def test_a_child_that_was_replaced_unseen_is_looked_at_again():
    """The write to the old uid is refused; the next run finds the new object a stranger's."""
    world = World(replicas=2)
    await world.run()
    stranger = {"metadata": {"name": "web", "uid": "theirs", "resourceVersion": "500"}}
    world.cluster.objects["Service", "web"] = copy.deepcopy(stranger)
    live = next(body for at, body in world.store.view(KEY).children.items() if at.kind == "Service")
    live["spec"]["ports"][0]["port"] = 81  # what makes it write, before the watch tells the rest
    world.tell("Service", live)
    with pytest.raises(StalePicture):
        await world.run()
    await world.run()
    assert world.reasons()["Accepted"] == "NameConflict"
    assert world.cluster.objects["Service", "web"] == stranger


async def test_a_modelserver_that_is_going_is_left_to_the_garbage_collector():
    """Or children would come back while it is deleted."""
    world = World(replicas=2)
    body = make.server()
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.edit(body)
    await world.run()
    assert world.cluster.writes == []


async def test_what_is_not_known_is_not_touched():
    """A key may be run after its ModelServer is gone."""
    world = World(replicas=2)
    world.store.drop("u1")
    assert await world.run() == Outcome()
    assert world.cluster.writes == []


async def test_nothing_is_deleted_while_something_is_refused():
    """The old settings are those of the pods that still serve."""
    world = World(replicas=2)
    await world.run()
    old = world.child("ConfigMap")["metadata"]["name"]
    changed = make.server(replicas=2, generation=2)
    changed["spec"]["model"]["version"] = "2.0.0"
    world.edit(changed)
    world.cluster.refuses["Deployment"] = ChildRefused("Forbidden", "no")
    for _ in range(3):
        await world.run()
    assert ("ConfigMap", old) in world.cluster.objects
