"""The whole operator, kopf and Lease included, against an API server in the same process."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import structlog

from apiserver import ApiServer, Call, Refused, Rule
from modelserver_operator import __main__, settings

CHILDREN = (
    "ServiceAccount",
    "ConfigMap",
    "Deployment",
    "Service",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "ServiceMonitor",
)
WRITES = ("create", "update", "patch", "apply", "delete")


class Operators:
    """Operators that run as tasks, each with a port of its own."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._stops: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}

    def start(self, identity: str = "one", *arguments: str) -> None:
        """Start one."""
        options = settings.parse([f"--identity={identity}", "--port=0", *arguments], {})
        stop = asyncio.Event()
        running = __main__.run(options, self._server.configuration(), stop)
        self._stops[identity] = asyncio.create_task(running), stop

    async def stop(self, identity: str = "one") -> float:
        """Tell one to end, wait until it has; return how long that took."""
        task, stop = self._stops.pop(identity)
        began = time.monotonic()
        stop.set()
        await asyncio.wait_for(task, 10)
        return time.monotonic() - began

    async def stop_all(self) -> None:
        """End all."""
        for identity in [*self._stops]:
            await self.stop(identity)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """An API server with two namespaces."""
    async with ApiServer(("default", "team")) as running:
        yield running


@pytest.fixture
async def operators(server: ApiServer) -> AsyncIterator[Operators]:
    """Operators of that server; ended when the test is."""
    both = Operators(server)
    with structlog.testing.capture_logs():
        yield both
        await both.stop_all()


def model_server(name: str = "web", namespace: str = "team", **spec: Any) -> dict[str, Any]:
    """Build a ModelServer that has every kind of child."""
    everything = {
        "model": {"source": {"bundled": {"path": "/models/breast-cancer"}}},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
        "networkPolicy": {"policy": "Restricted"},
    }
    return {
        "apiVersion": "modelserver.dev/v1alpha1",
        "kind": "ModelServer",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**everything, **spec},
    }


async def until(holds: Callable[[], object], seconds: float = 10.0) -> float:
    """Wait until *holds*; return how long it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "not in time"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def complete(server: ApiServer, namespace: str = "team", name: str = "web") -> Callable[[], bool]:
    """Tell whether a ModelServer has all its children and a status."""

    def holds() -> bool:
        there = all(
            any(name in body["metadata"]["name"] for body in server.objects(kind, namespace))
            for kind in CHILDREN
        )
        return there and "status" in server.get("ModelServer", namespace, name)

    return holds


def writes(server: ApiServer, kind: str | None = None) -> list[str]:
    """Name the writes so far, those of Leases and of the test itself apart."""
    return [
        f"{record.call.verb} {record.call.kind} {record.call.name}"
        for record in server.journal
        if record.call.verb in WRITES
        and record.call.kind != "Lease"
        and kind in (None, record.call.kind)
    ]


async def test_all_children_come_in_one_run(server, operators):
    """Each with one write, and one for the status."""
    operators.start()
    server.create(model_server())
    await until(complete(server))
    await asyncio.sleep(0.5)
    made = [line for line in writes(server) if "Event" not in line]
    assert len([line for line in made if line.startswith("apply")]) == len(CHILDREN)
    assert [line for line in made if not line.startswith("apply")] == ["patch ModelServer web"]


async def test_a_restart_writes_nothing(server, operators):
    """And at rest nothing is asked but watches, the Lease and what is swept."""
    operators.start()
    server.create(model_server())
    await until(complete(server))
    await asyncio.sleep(0.5)
    await operators.stop()
    before = writes(server)
    operators.start()
    await until(lambda: len(server.open_watches) == 11)
    await asyncio.sleep(1)
    assert writes(server) == before


async def test_an_edit_is_healed_within_a_second(server, operators):
    """Also one that follows another, and a deletion."""
    operators.start()
    server.create(model_server())
    await until(complete(server))
    for patch in ({"minReadySeconds": 77}, {"revisionHistoryLimit": 77}):
        field = next(iter(patch))
        server.edit("Deployment", "team", "web", {"spec": patch})
        healed = lambda: server.get("Deployment", "team", "web")["spec"][field] != 77  # noqa: B023, E731
        assert await until(healed) < 1
    server.delete("Service", "team", "web")
    assert await until(lambda: server.find("Service", "team", "web")) < 1


async def test_a_hundred_changes_in_a_second_are_two_applies(server, operators):
    """The first at once, the last when there is quiet: a machine that stalls makes a quiet more."""
    operators.start()
    server.create(model_server(autoscaling=None, replicas=2))
    await until(lambda: server.find("Deployment", "team", "web"))
    await asyncio.sleep(1)
    before = len(writes(server, "Deployment"))
    began, edits = time.monotonic(), []
    for number in range(100):
        edits.append(time.monotonic())
        spec = {"rollout": {"minReadySeconds": number}}
        server.edit("ModelServer", "team", "web", {"spec": spec})
        await asyncio.sleep(max(0, began + (number + 1) / 100 - time.monotonic()))
    newest = lambda: server.get("Deployment", "team", "web")["spec"]["minReadySeconds"] == 99  # noqa: E731
    assert await until(newest) < 1
    await asyncio.sleep(1)
    stalls = sum(later - earlier > 0.2 for earlier, later in itertools.pairwise(edits))
    assert len(writes(server, "Deployment")) - before <= 2 + stalls


async def test_servicemonitors_come_and_go_with_their_crd(server, operators, monkeypatch):
    """Without a restart, without an error, and without a request of them while there is none."""
    monkeypatch.setattr(
        "modelserver_operator.monitoring.look_for_monitoring.__kwdefaults__",
        {"period_seconds": 0.2},
    )
    server.serve_service_monitors(False)  # noqa: FBT003
    operators.start()
    server.create(model_server())
    others = lambda: all(server.objects(kind) for kind in CHILDREN if kind != "ServiceMonitor")  # noqa: E731
    await until(others)
    await asyncio.sleep(0.5)
    assert not [record for record in server.journal if record.call.kind == "ServiceMonitor"]
    server.serve_service_monitors(True)  # noqa: FBT003
    await until(complete(server))
    server.serve_service_monitors(False)  # noqa: FBT003
    watched = lambda: "ServiceMonitor" in {call.kind for call in server.open_watches}  # noqa: E731
    await until(lambda: not watched())
    await asyncio.sleep(1)
    number = len([record for record in server.journal if record.call.kind == "ServiceMonitor"])
    await asyncio.sleep(0.5)
    assert number == len([r for r in server.journal if r.call.kind == "ServiceMonitor"])
    server.serve_service_monitors(True)  # noqa: FBT003
    await until(complete(server))


async def test_servicemonitors_are_healed_after_a_wrong_answer(server, operators, monkeypatch):
    """A proxy said that there are none: they are the same as before, and still ours."""
    monkeypatch.setattr(
        "modelserver_operator.monitoring.look_for_monitoring.__kwdefaults__",
        {"period_seconds": 0.2},
    )
    operators.start()
    server.create(model_server())
    await until(complete(server))
    watched = lambda: "ServiceMonitor" in {call.kind for call in server.open_watches}  # noqa: E731
    with server.faults(Rule("status", verbs=("get",), kinds=("",), code=404)):
        await until(lambda: not watched())
    await until(watched)
    await asyncio.sleep(0.5)
    wanted = server.get("ServiceMonitor", "team", "web")["spec"]
    server.edit("ServiceMonitor", "team", "web", {"spec": {"endpoints": []}})
    await until(lambda: server.get("ServiceMonitor", "team", "web")["spec"] == wanted, 3)


async def test_one_namespace_is_enough(server, operators):
    """With a Role: nothing is asked of the whole cluster, and it works all the same."""
    refused: list[Call] = []

    def refuse(call: Call) -> None:
        refused.append(call)
        raise Refused(403, "not in the whole cluster")

    server.before(lambda call: bool(call.kind) and call.namespace is None, refuse)
    operators.start("one", "--watch-namespaces=team", "--lease-namespace=team")
    server.create(model_server())
    server.create(model_server(namespace="default"))
    await until(complete(server))
    assert server.objects("Deployment", "default") == []
    assert refused == []


async def test_a_standby_takes_over_and_nobody_else_writes(server, operators):
    """At once when the leader says good-bye; its store is full already."""
    operators.start("one")
    server.create(model_server())
    await until(complete(server))
    operators.start("two")
    await until(lambda: len(server.open_watches) == 22)
    await asyncio.sleep(2.5)
    lease = lambda: server.get("Lease", "default", "modelserver-operator")["spec"]  # noqa: E731
    assert lease()["holderIdentity"] == "one"
    before = writes(server)
    await operators.stop("one")
    assert await until(lambda: lease()["holderIdentity"] == "two") < 5
    await asyncio.sleep(0.5)
    assert writes(server) == before
    server.delete("Service", "team", "web")
    assert await until(lambda: server.find("Service", "team", "web")) < 1


async def test_who_cannot_renew_does_not_write(server, operators):
    """A leader that is cut off from its Lease alone goes on for six seconds, then not."""
    operators.start()
    server.create(model_server())
    await until(complete(server))
    with server.faults(Rule("status", kinds=("Lease",), code=503)):
        await asyncio.sleep(7)
        server.delete("Service", "team", "web")
        await asyncio.sleep(1)
        assert server.find("Service", "team", "web") is None
    await until(lambda: server.find("Service", "team", "web"), 5)


async def test_a_namespace_that_goes_is_left_in_peace(server, operators):
    """A child that goes before its ModelServer is asked for once, and its status is not touched."""
    operators.start()
    server.create(model_server())
    await until(complete(server))
    await asyncio.sleep(0.5)
    before = len(writes(server))
    rule = Rule(
        "status",
        verbs=("apply",),
        code=403,
        message='services "web" is forbidden: unable to create new content in namespace team '
        "because it is being terminated",
    )
    with server.faults(rule):
        for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy", "HorizontalPodAutoscaler"):
            server.delete(kind, "team", "web")
            await asyncio.sleep(0.4)
    assert len(writes(server)) - before == 1
    assert server.get("ModelServer", "team", "web")["status"]["conditions"]


async def test_a_status_never_reaches_a_namesake(server, operators):
    """Deleted and made anew while the status was on its way."""
    operators.start()
    calls: list[Call] = []

    def replaced(call: Call) -> None:
        calls.append(call)
        if len(calls) == 1:
            server.delete("ModelServer", "team", "web")
            body = model_server()
            body["spec"]["model"]["source"]["bundled"]["path"] = "/models/other"
            server.create(body)
            calls.append(call)

    server.before(lambda call: call.subresource == "status", replaced)
    server.create(model_server())
    await until(lambda: len(calls) > 2)
    refused = [r.status for r in server.journal if r.call.subresource == "status"]
    assert refused[0] in (404, 409)


async def test_health_and_readiness_say_what_is_wrong(server, operators, unused_tcp_port):
    """A missing CRD is named; when it is there, the operator is ready without a restart."""
    rule = Rule("status", kinds=("ModelServer",), code=404)
    server.add_faults(rule)
    url = f"http://127.0.0.1:{unused_tcp_port}"
    operators.start("one", f"--port={unused_tcp_port}")
    async with aiohttp.ClientSession() as session:

        async def ask(path: str) -> tuple[int, str]:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with session.get(url + path) as answer:
                    return answer.status, await answer.text()
            return 0, ""

        async def eventually(path: str, status: int, words: str) -> None:
            async with asyncio.timeout(10):
                while (answer := await ask(path))[0] != status or words not in answer[1]:
                    await asyncio.sleep(0.05)

        await eventually("/readyz", 503, "the CRD is not installed")
        assert await ask("/healthz") == (200, "ok\n")
        server.lift_faults(rule)
        await eventually("/readyz", 200, "ok")
        server.create(model_server())
        await until(complete(server))
        _, text = await ask("/metrics")
        for line in (
            'modelserver_operator_writes_total{kind="Deployment",verb="apply"} 1.0',
            "modelserver_operator_leader 1.0",
            "modelserver_operator_modelservers 1.0",
            "modelserver_operator_build_info{version=",
            'modelserver_operator_requests_total{outcome="ok",verb="apply"}',
        ):
            assert line in text


async def test_a_line_says_how_a_reconcile_ended(server, operators):
    """With what it took, and where the ModelServer stands."""
    with structlog.testing.capture_logs() as lines:
        operators.start()
        server.create(model_server())
        await until(complete(server))
        await asyncio.sleep(0.3)
        server.edit("Deployment", "team", "web", {"spec": {"minReadySeconds": 77}})
        await asyncio.sleep(0.5)
    told = [line for line in lines if line["event"] == "reconciled" and line["log_level"] == "info"]
    first, repair = told[0], told[-1]
    assert first["writes"] == len(CHILDREN) + 1
    assert (first["generation"], first["ready"], first["result"]) == (1, "False", "changed")
    assert first["reason"]
    assert first["seconds"] > 0
    assert repair["repaired"] == ["Deployment"]
    assert json.dumps(first)


async def test_a_status_that_cannot_be_stored_is_told_in_an_event(server, operators):
    """Once, with why, and tried ever more seldom; the children are made all the same."""
    why = 'ModelServer.modelserver.dev "web" is invalid: spec.replicas: Invalid value: "two"'
    rule = Rule("status", kinds=("ModelServer",), subresources=("status",), code=422, message=why)
    with structlog.testing.capture_logs() as lines:
        operators.start("one", "--backoff-scale=0.1")  # 24 s at the longest, 0.6 s without
        with server.faults(rule):
            server.create(model_server())
            await until(lambda: rule.hits >= 9)  # 0.01 s, doubled eight times
            before = rule.hits
            await asyncio.sleep(2.0)  # else three more
            assert rule.hits <= before + 1
            assert server.objects("Deployment", "team")
            events = [e for e in server.objects("Event", "team") if e["reason"] == "StatusRefused"]
        server.edit("ModelServer", "team", "web", {"spec": {"replicas": 2, "autoscaling": None}})
        await until(complete_status(server), 5)
    (event,) = events
    assert event["type"] == "Warning"
    assert event["message"] == f"The status cannot be stored: {why}"
    assert event["series"]["count"] > 1
    told = [line for line in lines if why in line.get("error", "")]
    assert {line["log_level"] for line in told} == {"warning"}
    assert len(told) == rule.hits


def complete_status(server: ApiServer) -> Callable[[], bool]:
    """Tell whether the ModelServer has a status."""
    return lambda: "status" in server.get("ModelServer", "team", "web")
