"""The count of pods changes hands without changing, and nobody who owns it is fought."""

import itertools
from typing import Any

import pytest

from modelserver_operator import labels
from modelserver_operator.errors import ChildRefused
from reconciled_world import World

NONE: dict[str, Any] = {}
FIXED = {"replicas": 5}
AUTOSCALED = {"autoscaling": {"minReplicas": 3, "maxReplicas": 9}}
SUSPENDED = {"suspend": True}
MODES = {"none": NONE, "fixed": FIXED, "autoscaled": AUTOSCALED}


class Counts:
    """Every count that the Deployment was ever asked for, in order."""

    def __init__(self, world: World) -> None:
        self.seen: list[int] = []
        world.cluster.server.api.storage.listeners.append(self._saw)

    def _saw(self, change: Any) -> None:
        if change.resource.kind == "Deployment" and change.after is not None:
            count = change.after["spec"]["replicas"]
            if self.seen[-1:] != [count]:
                self.seen.append(count)


STRANGER = {
    "apiVersion": "example.com/v1",
    "kind": "App",
    "name": "web",
    "uid": "u9",
    "controller": True,
}


def control(world: World, *owners: dict[str, Any], kind: str = "Deployment") -> None:
    """Give that child these owners, as somebody else."""
    body = world.child(kind)
    body["metadata"]["ownerReferences"] = list(owners)
    world.replace(body)


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        pytest.param(NONE, 2, id="two where nothing is said"),
        pytest.param(FIXED, 5, id="as many as are fixed"),
        pytest.param(AUTOSCALED, 3, id="the least of an autoscaler, not one"),
        pytest.param(AUTOSCALED | SUSPENDED, 0, id="none while suspended"),
    ],
)
async def test_what_it_starts_with(spec, count):
    """At once, with the first write."""
    world = World(**spec)
    counts = Counts(world)
    await world.settle()
    assert counts.seen == [count]


@pytest.mark.parametrize(
    ("before", "after"),
    [pair for pair in itertools.permutations(MODES, 2) if pair[1] != "fixed"],
)
@pytest.mark.parametrize("scaled", [None, 1, 7])
async def test_a_count_that_is_let_go_stays(before, after, scaled):
    """As it was started, or as somebody else has set it meanwhile."""
    world = World(**MODES[before])
    await world.settle()
    if scaled is not None and before != "fixed":
        world.scale(scaled)
        await world.settle()
    count = world.count
    counts = Counts(world)
    world.edit(**MODES[after])
    await world.settle()
    assert world.count == count
    assert counts.seen in ([], [count])


@pytest.mark.parametrize("before", ["none", "autoscaled"])
async def test_a_fixed_count_is_taken(before):
    """In one step, after the autoscaler has gone: it would set its own."""
    world = World(**MODES[before])
    await world.settle()
    counts = Counts(world)
    world.edit(**FIXED)
    await world.run()
    assert counts.seen == [5]
    if before == "autoscaled":
        first, second, *_ = world.cluster.writes
        assert (first, second) == ("delete HorizontalPodAutoscaler", "apply Deployment")


@pytest.mark.parametrize("autoscaler", ["kube-controller-manager", "kubectl"])
@pytest.mark.parametrize("mode", [NONE, AUTOSCALED], ids=["none", "autoscaled"])
async def test_who_owns_the_count_is_not_fought(mode, autoscaler):
    """Not at rest, not when another field is healed, not when the template changes."""
    world = World(**mode)
    await world.settle()
    world.scale(8, autoscaler)
    await world.run()
    assert world.cluster.writes in ([], ["status"])
    world.edit(**mode, image="localhost/runtime:9")
    counts = Counts(world)
    await world.run()
    assert world.cluster.writes.count("apply Deployment") == 1
    assert counts.seen == [8]
    world.scale(1, autoscaler)
    await world.settle()
    assert world.count == 1


async def test_a_fixed_count_is_ours():
    """Whoever scales the Deployment of a server with a fixed count is corrected."""
    world = World(**FIXED)
    await world.settle()
    world.scale(1, "kubectl")
    await world.settle()
    assert world.count == 5


@pytest.mark.parametrize(
    ("mode", "resumed"),
    [
        pytest.param("none", 2, id="two where nothing is said"),
        pytest.param("fixed", 5, id="the fixed count is remembered"),
        pytest.param("autoscaled", 3, id="the least of the autoscaler"),
    ],
)
async def test_suspended_and_back(mode, resumed):
    """No pods, everything else stays; then it starts anew."""
    world = World(**MODES[mode])
    await world.settle()
    if mode != "fixed":
        world.scale(8)
    others = {at for at in world.children() if not at.startswith("ConfigMap")}
    counts = Counts(world)
    world.edit(**MODES[mode], **SUSPENDED)
    await world.settle()
    assert {at for at in world.children() if not at.startswith("ConfigMap")} == others
    world.edit(**MODES[mode])
    await world.settle()
    assert counts.seen == [0, resumed]
    assert labels.SUSPENDED not in world.child("Deployment")["metadata"]["annotations"]


@pytest.mark.parametrize(("mode", "resumed"), [("none", 2), ("autoscaled", 3)])
async def test_resumed_it_starts_anew_also_where_others_had_stopped_it(mode, resumed):
    """Their 0 and ours were one; whoever resumes a server wants pods."""
    world = World(**MODES[mode])
    await world.settle()
    world.scale(0, "kubectl")
    world.edit(**MODES[mode], **SUSPENDED)
    await world.settle()
    world.edit(**MODES[mode])
    await world.settle()
    assert world.count == resumed


async def test_a_suspended_server_stays_so():
    """Whoever scales it up is corrected."""
    world = World(**AUTOSCALED, **SUSPENDED)
    await world.settle()
    world.scale(4, "kubectl")
    await world.settle()
    assert world.count == 0


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param(NONE, 0, id="left to others, it stays as it is"),
        pytest.param(AUTOSCALED, 3, id="an autoscaler leaves 0 alone, so it gets its least"),
    ],
)
async def test_a_fixed_count_of_none_that_is_let_go(spec, want):
    """0 was the user's wish."""
    world = World(replicas=0)
    await world.settle()
    world.edit(**spec)
    await world.settle()
    assert world.count == want


async def test_a_hand_over_that_was_cut_short_is_carried_on():
    """The second manager holds the count, the apply that drops it was refused."""
    world = World(**FIXED)
    await world.settle()
    counts = Counts(world)
    world.edit(**NONE)
    taken = world.cluster.apply

    async def refuse_ours(kind: Any, body: Any, *, manager: str = labels.FIELD_MANAGER) -> Any:
        if kind.name == "Deployment" and manager == labels.FIELD_MANAGER:
            raise ChildRefused("Forbidden", "no")
        return await taken(kind, body, manager=manager)

    world.cluster.apply = refuse_ours  # type: ignore[method-assign]
    await world.run()
    del world.cluster.apply
    await world.settle()
    assert counts.seen == [5]
    world.scale(7)
    await world.settle()
    assert world.count == 7


async def test_an_autoscaler_is_made_after_the_count_was_let_go():
    """And not at all while the Deployment is refused: both would set it."""
    world = World(**FIXED)
    await world.settle()
    world.edit(**AUTOSCALED)
    world.cluster.refuses["Deployment"] = ChildRefused("Forbidden", "no")
    await world.run()
    assert "HorizontalPodAutoscaler/web" not in world.children()
    world.cluster.refuses.clear()
    await world.run()
    assert [w for w in world.cluster.writes if w != "status"] == [
        "apply Deployment",  # by the second manager, which takes hold of the count
        "apply Deployment",
        "apply HorizontalPodAutoscaler",
    ]


async def test_an_autoscaler_goes_while_the_deployment_is_a_strangers():
    """It scales by name: it would scale what is not ours. It comes back, and no pod is lost."""
    world = World(**AUTOSCALED)
    await world.settle()
    world.scale(7)
    await world.settle()
    counts = Counts(world)
    control(world, STRANGER)
    await world.settle(problems=True)
    assert world.reasons()["Accepted"] == "NameConflict"
    assert "HorizontalPodAutoscaler/web" not in world.children()
    control(world)
    await world.settle()
    assert world.reasons()["Accepted"] == "Accepted"
    assert "HorizontalPodAutoscaler/web" in world.children()
    assert counts.seen in ([], [7])


@pytest.mark.parametrize("needed", ["ServiceAccount", "ConfigMap"])
async def test_an_autoscaler_goes_also_where_the_deployment_would_have_to_wait(needed):
    """It waits while what its pods need is a stranger's; its name may be taken all the same."""
    world = World(**AUTOSCALED)
    await world.settle()
    control(world, STRANGER, kind=needed)
    await world.settle(problems=True)
    assert "HorizontalPodAutoscaler/web" in world.children()
    control(world, STRANGER)
    await world.settle(problems=True)
    assert "HorizontalPodAutoscaler/web" not in world.children()
    outcome = await world.run()
    assert [problem.reason for problem in outcome.problems] == ["NameConflict", "NameConflict"]
    control(world)
    control(world, kind=needed)
    await world.settle()
    assert "HorizontalPodAutoscaler/web" in world.children()


async def test_an_autoscaler_that_is_held_is_deleted_once():
    """A finalizer of somebody else keeps it: asking again would change nothing."""
    world = World(**AUTOSCALED)
    await world.settle()
    held = {"metadata": {"finalizers": ["example.com/keep"]}}
    world.cluster.server.edit("HorizontalPodAutoscaler", "team", "web", held)
    control(world, STRANGER)
    await world.run()
    assert "delete HorizontalPodAutoscaler" in world.cluster.writes
    await world.run()
    assert "delete HorizontalPodAutoscaler" not in world.cluster.writes


async def test_an_autoscaler_stays_while_our_deployment_is_refused():
    """A quota or a right that is missing says nothing of whose it is."""
    world = World(**AUTOSCALED)
    await world.settle()
    world.edit(**AUTOSCALED, image="localhost/runtime:9")
    world.cluster.refuses["Deployment"] = ChildRefused("Forbidden", "no")
    await world.run()
    assert "HorizontalPodAutoscaler/web" in world.children()
