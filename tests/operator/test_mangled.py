"""Whatever a newer Kubernetes, or somebody with rights, writes into a status: none raises."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import modelserver_make as make
from modelserver_operator.api import ModelServer, ModelServerStatus
from modelserver_operator.conditions import Facts, silent_pods
from modelserver_operator.events import Recorder
from modelserver_operator.pod_events import PodEvents
from modelserver_operator.reasons import REASONS
from modelserver_operator.reconcile import gather_facts
from modelserver_operator.status import next_status
from modelserver_operator.store import ChildId, Observed
from status_cases import CASES
from workload_make import event

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVENTS = [
    event("FailedMount", 'configmap "x" not found'),
    event("Pulling", "Pulling image"),
    event("Unhealthy", "Readiness probe failed: no", series={"lastObservedTime": "2026-01-01"}),
]

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["True", "Unknown", "SomethingNewer", "Failed", "2026-13-45T99:00:00Z"]),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(body: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """Walk to every value."""
    inside: Any = ()
    if isinstance(body, dict):
        inside = body.items()
    elif isinstance(body, list):
        inside = enumerate(body)
    for name, value in inside:
        yield (*path, name)
        yield from places(value, *path, name)


@st.composite
def mangled(draw: st.DrawFn, body: dict[str, Any]) -> dict[str, Any]:
    """Take things out of *body* and put others in, anywhere."""
    body = copy.deepcopy(body)
    for _ in range(draw(st.integers(0, 4))):
        everywhere = list(places(body))
        if not everywhere:
            break
        *way, last = draw(st.sampled_from(everywhere))
        parent: Any = body
        for name in way:
            parent = parent[name]
        if draw(st.booleans()):
            parent[last] = draw(values)
        else:
            del parent[last]
    return body


@st.composite
def pictures(draw: st.DrawFn) -> Observed:
    """Take one of the situations that the tests know, with something wrong in every object."""
    workload = draw(st.sampled_from(CASES)).facts.workload
    deployment = copy.deepcopy(workload.deployment or make.deployment())
    deployment["metadata"]["ownerReferences"] = [make.owner("u1")]
    autoscaler = {"spec": {"minReplicas": draw(values)}}
    return Observed(
        make.server(suspend=draw(values)),
        {
            ChildId("Deployment", "web"): draw(mangled(deployment)),
            ChildId("HorizontalPodAutoscaler", "web"): autoscaler,
        },
        [draw(mangled(body)) for body in copy.deepcopy(list(workload.replica_sets))],
        [draw(mangled(body)) for body in copy.deepcopy(list(workload.pods))],
    )


class Cluster:
    """Tells mangled Events, and takes any."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.events = events

    async def list_pod_events(self, namespace: str, uid: str) -> list[dict[str, Any]]:
        """Tell them."""
        return self.events

    async def create_event(self, body: dict[str, Any]) -> None:
        """Take it."""
        assert body["reason"] in REASONS
        assert len(body["note"]) <= 1024

    async def patch_event(self, namespace: str, name: str, patch: dict[str, Any]) -> None:
        """Take it."""


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(observed=pictures(), events=st.tuples(*map(mangled, EVENTS)), stored=values)
async def test_a_status_comes_of_anything(observed, events, stored):
    """It is one that the CRD takes, with reasons we know, and the same for the same picture."""
    cluster, memory = Cluster(list(events)), PodEvents()
    body = make.server() | {"status": stored}
    server = ModelServer.parse(make.server())
    facts = gather_facts(observed, server, ())
    heard = await memory.hear(silent_pods(facts), cluster, NOON)
    assert heard.look_again_seconds is None or 0 < heard.look_again_seconds <= 600
    facts = Facts(
        facts.problems, facts.workload, facts.guaranteed, facts.least, facts.suspended, heard
    )
    change = next_status(body, server, facts, NOON)
    status = make.merged(stored if isinstance(stored, dict) else {}, change.patch)
    ModelServerStatus.model_validate(status)
    assert {c["reason"] for c in status["conditions"]} <= REASONS
    assert all(c["message"] and len(c["message"]) < 1024 for c in status["conditions"])
    after = body | {"status": status}
    assert next_status(after, server, facts, NOON + timedelta(hours=1)).patch == {}
    await Recorder("test").tell(body, change.turned, cluster, NOON)
