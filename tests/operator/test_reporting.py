"""Trouble as the API server tells of it, and what is then reported: over HTTP, clock in hand."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import modelserver_make as make
from apiserver import STARTING_CONTAINER, ApiServer, Rule, roll_out
from modelserver_operator.children import CHILDREN
from modelserver_operator.cluster import Cluster
from modelserver_operator.events import Recorder
from modelserver_operator.kinds import MODEL_SERVER, POD, REPLICA_SET
from modelserver_operator.memory import Memory
from modelserver_operator.metrics import Metrics
from modelserver_operator.reconcile import Outcome, Settings, reconcile
from modelserver_operator.store import Key, Store

WATCHED = (MODEL_SERVER, REPLICA_SET, POD, *(child.kind for child in CHILDREN))
KEY = Key("team", "web")
RUNNING = {"started": True, "ready": False, "restartCount": 0, "state": {"running": {}}}
NO_CONFIG_MAP = 'MountVolume.SetUp failed for volume "model" : configmap "x" not found'
CROSS_TALK = 'Readiness probe failed: Get "http://10.0.0.{}:8000/ready": i/o timeout'


class Operator:
    """Reconciles one ModelServer of a test API server, at the time that a test says."""

    def __init__(self, server: ApiServer, cluster: Cluster) -> None:
        self.server, self.cluster = server, cluster
        self.store, self.memory = Store(), Memory(Recorder("operator-1"))
        self.start = datetime.now(UTC)

    async def run(self, *, seconds: float = 0) -> Outcome:
        """Look at everything, so many *seconds* after the start, and reconcile."""
        for kind in WATCHED:
            bodies = self.server.objects(kind.name)
            for body in bodies:
                self.store.put(kind, body)
            self.store.retain(kind, None, {b["metadata"]["uid"] for b in bodies}, 10**9)
        now = self.start + timedelta(seconds=seconds)
        settings = Settings("localhost/runtime:1", "operator-1", now=lambda: now)
        return await reconcile(KEY, self.store, self.cluster, settings, self.memory)

    def reported(self, name: str = "Ready") -> tuple[str, str, str]:
        """Give status, reason and message of a condition, as the API server has it."""
        status = self.server.get("ModelServer", *KEY)["status"]
        found = next(c for c in status["conditions"] if c["type"] == name)
        return found["status"], found["reason"], found["message"]

    def tell(self, reason: str, message: str) -> None:
        """Have the kubelet tell of every pod."""
        for number, pod in enumerate(self.server.objects("Pod")):
            subject = {name: pod["metadata"][name] for name in ("namespace", "name", "uid")}
            self.server.create(
                {
                    "apiVersion": "v1",
                    "kind": "Event",
                    "metadata": {
                        "namespace": "team",
                        "name": f"e{self.server.storage_revision}.{number}",
                    },
                    "involvedObject": {
                        "kind": "Pod",
                        "fieldPath": "spec.containers{runtime}",
                        **subject,
                    },
                    "reason": reason,
                    "message": message,
                    "lastTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            )

    def asked_for_events(self) -> int:
        """Count the lists of core Events."""
        calls = [record.call for record in self.server.journal.records]
        return sum((call.verb, call.kind) == ("list", "Event") for call in calls)


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    metrics = Metrics(CollectorRegistry())
    async with (
        ApiServer(["team"]) as server,
        Cluster.connect(metrics, server.configuration()) as cluster,
    ):
        body: dict[str, Any] = make.server(replicas=2)
        body["metadata"] = {"name": "web", "namespace": "team"}
        server.create(body)
        yield Operator(server, cluster)


async def settled(operator: Operator, container: dict[str, Any], *, ready: int = 0) -> None:
    """Bring the server to where pods of the newest template are at *container*."""
    await operator.run()
    roll_out(operator.server, *KEY, ready=ready, container=container)
    await operator.run()


async def test_a_volume_that_cannot_be_mounted_is_named_after_ten_seconds(operator):
    """The words stand in an Event only; then nothing more is asked or written for a while."""
    await settled(operator, dict(STARTING_CONTAINER))
    operator.tell("FailedMount", NO_CONFIG_MAP)
    early = await operator.run(seconds=5)
    assert operator.reported()[1] == "RolloutInProgress"
    assert early.look_again_seconds is not None
    assert operator.asked_for_events() == 0
    await operator.run(seconds=5 + early.look_again_seconds)
    assert operator.reported() == ("False", "VolumeMountFailed", f"2 of 2 pods: {NO_CONFIG_MAP}")
    assert operator.asked_for_events() == 1
    again = await operator.run(seconds=12)
    assert (again.writes, again.result, operator.asked_for_events()) == (0, "unchanged", 1)


async def test_a_pod_that_gets_ready_costs_no_question(operator):
    """At rest nothing is asked, nothing written, and nobody looks again."""
    await settled(operator, dict(STARTING_CONTAINER))
    roll_out(operator.server, *KEY)
    await operator.run(seconds=60)
    rest = await operator.run(seconds=600)
    assert operator.reported() == ("True", "Ready", "The newest spec is live")
    assert rest == Outcome()
    assert operator.asked_for_events() == 0


async def test_a_probe_that_fails_gives_the_same_text_for_every_pod(operator):
    """Addresses differ from pod to pod, and with each try."""
    await settled(operator, RUNNING, ready=0)
    operator.tell("Unhealthy", CROSS_TALK.format(7))
    await operator.run(seconds=30)
    words = 'container runtime: Readiness probe failed: Get "/ready": i/o timeout'
    assert operator.reported() == ("False", "ProbeFailing", f"2 of 2 pods: {words}")
    operator.tell("Unhealthy", CROSS_TALK.format(8))
    outcome = await operator.run(seconds=60)
    assert operator.asked_for_events() == 2
    assert outcome.writes == 0


async def test_without_the_right_to_list_events_the_sentence_is_shorter(operator):
    """It is no error, and the rest of the status is as good as ever."""
    await settled(operator, RUNNING)
    operator.server.add_faults(Rule("status", verbs=("list",), kinds=("Event",), code=403))
    outcome = await operator.run(seconds=30)
    words = "2 of 2 pods: it runs and does not get ready"
    assert operator.reported() == ("False", "ProbeFailing", words)
    assert outcome.result == "changed"


async def test_an_edit_that_makes_a_good_spec_bad_says_which_field(operator):
    """The last good children stay, pods answer, and nothing is written but the status."""
    await settled(operator, dict(STARTING_CONTAINER), ready=2)
    before = {k.name: operator.server.objects(k.name) for k in WATCHED if k != MODEL_SERVER}
    bad = operator.server.get("ModelServer", *KEY)
    source = {"bundled": {"path": "/models/x"}, "configMap": {"name": "x"}}
    bad["spec"]["model"]["source"] = source
    operator.server.edit("ModelServer", *KEY, {"spec": {"model": {"source": source}}})
    outcome = await operator.run(seconds=60)
    status, reason, message = operator.reported("Accepted")
    assert (status, reason) == ("False", "InvalidSpec")
    assert "spec.model.source" in message
    assert operator.reported("Available")[0] == "True"
    assert operator.reported("Stalled") == ("True", "InvalidSpec", message)
    after = {k.name: operator.server.objects(k.name) for k in WATCHED if k != MODEL_SERVER}
    assert (after, outcome.writes) == (before, 1)


async def test_a_flap_is_one_event_with_a_count(operator):
    """The API server takes the series as ours; it came after the status."""
    await settled(operator, RUNNING, ready=2)
    for turn in range(1, 5):
        roll_out(operator.server, *KEY, ready=2 * (turn % 2 == 0), container=RUNNING)
        await operator.run(seconds=turn)
    events = {e["reason"]: e for e in operator.server.objects("Event")}
    assert len(events) == len(operator.server.objects("Event"))
    assert events["Ready"]["series"]["count"] == 3
