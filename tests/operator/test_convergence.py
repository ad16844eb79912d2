"""Whatever specs follow one another and whatever others do meanwhile, it comes to the same end."""

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import modelserver_make as make
from apiserver import Refused
from modelserver_operator import labels
from modelserver_operator.children import CHILDREN, desired_children
from modelserver_operator.children.replicas import start_replicas
from modelserver_operator.children.surroundings import Surroundings
from modelserver_operator.drift import covers
from modelserver_operator.errors import ChildRefused
from reconciled_world import World

DIGEST = "sha256:" + "1" * 64
SHOP = {"podSelector": {"matchLabels": {"app": "shop"}}}


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    """Choose between plain values, each time a fresh copy."""
    return st.sampled_from(values).map(copy.deepcopy)


COUNTS = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"replicas": st.integers(0, 5)}),
    st.tuples(st.integers(1, 4), st.integers(0, 4)).map(
        lambda pair: {"autoscaling": {"minReplicas": pair[0], "maxReplicas": sum(pair)}}
    ),
)
SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "suspend": st.booleans(),
        "model": one_of(
            {"source": {"bundled": {"path": "/models/a"}}},
            {"source": {"configMap": {"name": "m"}}, "digest": DIGEST},
            {"source": {"persistentVolumeClaim": {"claimName": "m"}}, "digest": DIGEST},
        ),
        "image": one_of("localhost/runtime:7", "localhost/runtime:8"),
        "imagePullSecrets": one_of([], [{"name": "a"}, {"name": "b"}], [{"name": "b"}]),
        "server": one_of({"metricsPort": 9090}, {"drainSeconds": 3}, {"maxBatchRows": 7}),
        "service": one_of(
            {"port": 81},
            {"type": "NodePort"},
            {"type": "LoadBalancer", "annotations": {"a": "b"}},
        ),
        "serviceAccount": one_of({"annotations": {"role": "a"}}),
        "disruptionBudget": one_of({"policy": "None"}, {"maxUnavailable": 2}),
        "networkPolicy": one_of(
            {"policy": "None"}, {"from": [SHOP]}, {"from": [SHOP], "egress": [{}]}, {"egress": []}
        ),
        "monitoring": one_of({"policy": "Never"}, {"policy": "Always", "labels": {"a": "b"}}),
        "rollout": one_of({"maxSurge": 1}, {"minReadySeconds": 0}),
        "scheduling": one_of(
            {"nodeSelector": {"disk": "ssd"}},
            {"tolerations": [{"operator": "Exists"}]},
            {"topologySpreadConstraints": []},
            make.SPECS["fuller"]["scheduling"],
        ),
        "podMetadata": one_of({"labels": {"team": "blue"}}, {"annotations": {"a": "b"}}),
        "resources": one_of({"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}),
    },
)
SPECS = st.tuples(COUNTS, SECTIONS).map(lambda pair: pair[0] | pair[1])


class Count:
    """What the number of pods is to be, kept beside the world that is tested."""

    def __init__(self) -> None:
        self.now: int | None = None
        self.ours = True

    def given(self, world: World) -> None:
        """Take in the spec: who owns the count, and whether it starts anew."""
        spec, start = world.parsed.spec, start_replicas(world.parsed)
        if start is None:
            self.now = 0 if spec.suspend else spec.replicas
        elif self.now is None or (self._nothing_runs_by_our_will(world)):
            self.now = start
        self.ours = start is None

    def _nothing_runs_by_our_will(self, world: World) -> bool:
        """Suspended until now, or fixed at 0 and given to an autoscaler, which would leave it."""
        annotations = world.child("Deployment")["metadata"]["annotations"]
        resumed = labels.SUSPENDED in annotations
        autoscaled = world.parsed.spec.autoscaling is not None
        return self.ours and self.now == 0 and (resumed or autoscaled)

    def scaled(self, replicas: int) -> None:
        """Take in what somebody else has set."""
        if not self.ours:
            self.now = replicas


def check(world: World, count: Count) -> None:
    """Everything that is asked for is there as it is asked for, and nothing else is."""
    surroundings = Surroundings(
        world.child("Deployment")["metadata"]["annotations"][labels.RESOLVED_IMAGE],
        world.settings.prometheus_namespace,
        world.settings.monitoring_served,
    )
    wanted = {}
    for child, body in desired_children(world.parsed, surroundings):
        if not isinstance(body, ChildRefused):
            wanted[f"{child.kind.name}/{body['metadata']['name']}"] = body
    assert world.children().keys() == wanted.keys()
    for at, body in wanted.items():
        assert covers(world.children()[at], body), at
    assert world.count == count.now


QUICK = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@QUICK
@given(
    st.booleans(),
    SPECS,
    st.lists(st.tuples(SPECS, st.one_of(st.none(), st.integers(0, 7))), max_size=5),
)
async def test_any_spec_may_follow_any_other(monitoring, first, others):
    """
    It comes to rest as if there had never been another, and no count jumps on the way.

    In between, somebody may scale the Deployment, as an autoscaler does.
    """
    world, count, seen = World(serves_monitoring=monitoring, **first), Count(), list[int]()
    count.given(world)

    def see(change: Any) -> None:
        if change.resource.kind == "Deployment" and change.after is not None:
            seen.append(change.after["spec"]["replicas"])

    world.cluster.server.api.storage.listeners.append(see)
    await world.settle(problems=not monitoring)
    check(world, count)
    for spec, scaled in others:
        if scaled is not None:
            world.scale(scaled)
            count.scaled(scaled)
            await world.settle(problems=not monitoring)
            check(world, count)
        before = world.count
        world.edit(**spec)
        count.given(world)
        seen.clear()
        await world.settle(problems=not monitoring)
        check(world, count)
        assert set(seen) <= {before, count.now}


@QUICK
@given(SPECS, st.data())
async def test_others_may_do_what_they_like(spec, data):
    """Children are deleted, emptied, edited and added to: ours comes back, theirs stays."""
    world = World(serves_monitoring=True, **spec)
    await world.settle()
    good = world.children()
    kind = data.draw(st.sampled_from(sorted({at.split("/")[0] for at in good})))
    how = data.draw(st.sampled_from(["delete", "empty", "disown", "add"]))
    body = world.child(kind)
    try:
        tamper(world, kind, body, how)
    except Refused:
        return  # the API server keeps it as it is
    await world.settle()
    now = world.children()
    assert now.keys() == good.keys()
    for at, before in good.items():
        assert covers(now[at], ours(before)), at
    if how == "add":
        metadata = world.child(kind)["metadata"]
        assert metadata["labels"]["theirs"] == metadata["annotations"]["theirs"] == "yes"
        assert {"uid": "1", "kind": "Wheel", "apiVersion": "x/v1", "name": "w"} in metadata[
            "ownerReferences"
        ]


def tamper(world: World, kind: str, body: dict[str, Any], how: str) -> None:
    """Do to a child what somebody may do."""
    metadata = body["metadata"]
    if how == "delete":
        world.remove(kind)
        return
    if how == "empty":
        spec = {"spec": {}} if "spec" in body else {}
        body = {"apiVersion": body["apiVersion"], "kind": kind, "metadata": metadata, **spec}
    if how == "disown":
        metadata["ownerReferences"], metadata["labels"] = [], {labels.NAME: "web"}
    if how == "add":
        metadata["labels"]["theirs"] = "yes"
        metadata.setdefault("annotations", {})["theirs"] = "yes"
        world.cluster.server.garbage_collection = False
        metadata["ownerReferences"].append(
            {"uid": "1", "kind": "Wheel", "apiVersion": "x/v1", "name": "w"}
        )
    world.replace(body)


def ours(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the API server says of an object."""
    said = ("uid", "resourceVersion", "generation", "managedFields", "creationTimestamp")
    metadata = {name: part for name, part in body["metadata"].items() if name not in said}
    addresses = ("clusterIP", "clusterIPs", "ports") if body["kind"] == "Service" else ()
    spec = {name: part for name, part in body.get("spec", {}).items() if name not in addresses}
    return {"metadata": metadata} | ({"spec": spec} if spec else {})


def test_every_kind_can_be_tampered_with():
    """The test above draws from what is there: with everything on that is every kind."""
    assert {body["kind"] for body in make.children(**make.SPECS["fuller"]).values()} == {
        child.kind.name for child in CHILDREN
    }
