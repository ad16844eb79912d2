"""The flow: what one ModelServer should have, what it has, the writes between, and its status."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from modelserver_operator import labels, lenient
from modelserver_operator.api import ModelServer
from modelserver_operator.carry_out import ChildWriter, carry_out
from modelserver_operator.children import desired_children
from modelserver_operator.children.disruption import guaranteed_pods
from modelserver_operator.children.surroundings import Surroundings
from modelserver_operator.conditions import Facts, Problem, silent_pods
from modelserver_operator.errors import ChildRefused, InvalidSpec, StatusRefused
from modelserver_operator.events import EventWriter
from modelserver_operator.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, MODEL_SERVER
from modelserver_operator.memory import Memory
from modelserver_operator.ownership import Owner, owner_of
from modelserver_operator.plan import Plan, make_plan
from modelserver_operator.pod_events import EventReader
from modelserver_operator.status import StatusChange, next_status
from modelserver_operator.store import ChildId, Key, Observed, Store
from modelserver_operator.workload import Workload


class Cluster(ChildWriter, EventReader, EventWriter, Protocol):
    """What a reconcile asks of the API server; `cluster.py` has the real one."""

    async def patch_status(
        self, server: Mapping[str, Any], status: dict[str, Any]
    ) -> dict[str, Any]:
        """Merge *status* into that of *server*; return the whole ModelServer."""


@dataclass(frozen=True)
class Settings:
    """
    What a reconcile takes from the operator's own configuration.

    Args:
        runtime_image: what pods run where the spec names no image.
        instance: which operator process this is, for Events.
        now: the clock, in UTC.
        prometheus_namespace: see `Surroundings`.
        monitoring_served: see `Surroundings`; found out while the operator runs.
    """

    runtime_image: str
    instance: str
    now: Callable[[], datetime]
    prometheus_namespace: str = ""
    monitoring_served: bool = False


@dataclass(frozen=True)
class Outcome:
    """
    How a reconcile ended.

    Args:
        writes: how many objects were written, Events not counted.
        problems: what is in the way of the spec; look again.
        repaired: kinds of children that were set right though nothing new was asked of them.
        look_again_seconds: when pods will have been at the same thing for so long that more can be
            said, though nothing changes; or None.
    """

    writes: int = 0
    problems: tuple[Problem, ...] = ()
    repaired: tuple[str, ...] = ()
    look_again_seconds: float | None = None

    @property
    def result(self) -> str:
        """For logs and metrics: `unchanged`, `changed` or `refused`."""
        if self.problems:
            return "refused"
        return "changed" if self.writes else "unchanged"


async def reconcile(
    key: Key, store: Store, cluster: Cluster, settings: Settings, memory: Memory
) -> Outcome:
    """
    Bring what *key* has to what it should have.

    Raises:
        ReconcileError: the API server gave no usable answer; run again after a backoff.
    """
    observed = store.view(key)
    if observed.server is None or "deletionTimestamp" in observed.server["metadata"]:
        return Outcome()  # owner references collect the children
    server, plan, writes, problems = None, Plan(), 0, []
    try:
        server = ModelServer.parse(observed.server)
    except InvalidSpec as error:  # the last good children stay
        problems.append(Problem("InvalidSpec", str(error)))
    else:
        surroundings = gather_surroundings(server, observed, settings)
        plan = make_plan(server, desired_children(server, surroundings), observed)
        writes, problems = await carry_out(plan, server, store, cluster)
    facts = gather_facts(store.view(key), server, problems)
    heard = await memory.pod_events.hear(silent_pods(facts), cluster, settings.now())
    change = next_status(observed.server, server, replace(facts, heard=heard), settings.now())
    writes += await report(observed.server, change, store, cluster, settings, memory)
    return Outcome(writes, tuple(problems), plan.repairs, heard.look_again_seconds)


def gather_surroundings(
    server: ModelServer, observed: Observed, settings: Settings
) -> Surroundings:
    """Take what the builders know beside the spec."""
    return Surroundings(
        runtime_image=runtime_image(server, observed, settings.runtime_image),
        prometheus_namespace=settings.prometheus_namespace,
        monitoring_served=settings.monitoring_served,
    )


def runtime_image(server: ModelServer, observed: Observed, default: str) -> str:
    """
    Choose the image: the spec's own, else the default of the time of the last edit.

    So a newer operator restarts no pod: while the generation is the one that the status speaks
    of, the image that was chosen for it stays.
    """
    if server.spec.image:
        return server.spec.image
    live = observed.children.get(ChildId(DEPLOYMENT.name, server.name))
    if live is None or owner_of(live, server) is not Owner.US:
        return default  # what a stranger wrote on his is no choice of ours
    chosen = lenient.text(live, "metadata", "annotations", labels.RESOLVED_IMAGE)
    status = lenient.mapping(observed.server, "status")  # maybe stored under no schema of ours
    if chosen and status.get("observedGeneration") == server.generation:
        return chosen
    return default


def gather_facts(
    observed: Observed, server: ModelServer | None, problems: Sequence[Problem]
) -> Facts:
    """
    Take what the conditions are computed from.

    Args:
        observed: what was seen after the writes.
        server: the parsed resource; None where the spec is invalid: what was promised before is
            then taken from the children, which stay.
        problems: what was refused.
    """
    body = observed.server or {}
    name = lenient.text(body, "metadata", "name")
    deployment = observed.children.get(ChildId(DEPLOYMENT.name, name))
    if lenient.controller_uid(deployment) != lenient.text(body, "metadata", "uid"):
        deployment = None  # a stranger's, with our labels
    workload = Workload(deployment, observed.replica_sets, observed.pods)
    least = workload.wanted
    autoscaler = observed.children.get(ChildId(HORIZONTAL_POD_AUTOSCALER.name, name))
    if autoscaler is not None:
        least = min(least, max(1, lenient.count(autoscaler, "spec", "minReplicas")))
    return Facts(
        problems=problems,
        workload=workload,
        guaranteed=guaranteed_pods(server, workload.wanted) if server else max(1, least - 1),
        least=least,
        suspended=lenient.mapping(body, "spec").get("suspend") is True,
    )


async def report(  # noqa: PLR0913 - the last step needs what all others made
    body: Mapping[str, Any],
    change: StatusChange,
    store: Store,
    cluster: Cluster,
    settings: Settings,
    memory: Memory,
) -> int:
    """
    Store the status if it differs, then speak of what turned; return the writes (0 or 1).

    Raises:
        StatusRefused: the whole object was judged, and what is stored of it, under the CRD of
            another version, breaks a rule of today's; or an admission policy is against it.
    """
    if not change.patch:
        return 0
    try:
        stored = await cluster.patch_status(body, change.patch)
    except ChildRefused as error:
        await memory.recorder.tell_refused(body, str(error), cluster, settings.now())
        raise StatusRefused(f"the status cannot be stored: {error}") from error
    store.put(MODEL_SERVER, stored)
    await memory.recorder.tell(body, change.turned, cluster, settings.now())
    return 1
