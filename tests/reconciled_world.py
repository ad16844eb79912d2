"""A ModelServer in a cluster in memory, reconciled as the controller would, one run at a time."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import modelserver_make as make
from apiserver import Cluster, Refused
from apiserver.api import Options, Target, copied
from apiserver.resources import RESOURCES, Resource
from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children import CHILDREN
from modelserver_operator.cluster import _as_our_error, held_by_finalizer
from modelserver_operator.errors import StalePicture
from modelserver_operator.events import Recorder
from modelserver_operator.kinds import MODEL_SERVER, REPLICA_SET, Kind
from modelserver_operator.memory import Memory
from modelserver_operator.reconcile import Outcome, Settings, reconcile
from modelserver_operator.store import Key, Store

Body = dict[str, Any]

KEY = Key("team", "web")
CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
WATCHED = (MODEL_SERVER, *(child.kind for child in CHILDREN), REPLICA_SET)


class MemoryCluster:
    """
    The operator's requests, answered by the test API server without HTTP between.

    Attributes:
        writes: what was asked for, in order; emptied by whoever wants to.
        refuses: what a write to a kind raises instead.
        events: bodies of the Events that were posted.
    """

    def __init__(self) -> None:
        self.server = Cluster([KEY.namespace])
        self.writes: list[str] = []
        self.refuses: dict[str, Exception] = {}
        self.events: list[Body] = []

    async def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """Read one object; None where there is none."""
        try:
            return self._ask(kind, name, self.server.api.read)
        except StalePicture:
            return None

    async def apply(self, kind: Kind, body: Body, *, manager: str = labels.FIELD_MANAGER) -> Body:
        """Apply by force."""
        self._write(f"apply {kind.name}", kind)
        options = Options(manager=manager, force=True)
        name = body["metadata"]["name"]
        return self._ask(kind, name, lambda at: self.server.api.apply(at, body, options)[0])

    async def overwrite(self, kind: Kind, live: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        """Merge, lists as a whole, and hold nothing by it."""
        self._write(f"overwrite {kind.name}", kind)
        metadata = live["metadata"]
        unfinished = {"uid": metadata["uid"], "annotations": {labels.APPLIED_HASH: None}}
        patch = {"metadata": unfinished, "spec": dict(spec)}
        options = Options(manager="")
        self._ask(kind, metadata["name"], lambda at: self.server.api.patch(at, patch, options))

    async def delete(self, kind: Kind, live: Mapping[str, Any]) -> Body | None:
        """Delete exactly the object *live*; return what a finalizer holds of it."""
        self._write(f"delete {kind.name}", kind)
        metadata = live["metadata"]
        how = {"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"}
        try:
            answer = self._ask(
                kind, metadata["name"], lambda at: self.server.api.delete(at, how, Options())
            )
        except StalePicture:
            return None
        return held_by_finalizer(answer)

    async def patch_status(self, server: Mapping[str, Any], status: Body) -> Body:
        """Merge *status* into that of *server*."""
        self._write("status", MODEL_SERVER)
        name = server["metadata"]["name"]
        patch = {"status": status}
        return self._ask(
            MODEL_SERVER,
            name,
            lambda at: self.server.api.patch(replace(at, subresource="status"), patch, Options()),
        )

    async def create_event(self, body: Body) -> None:
        """Keep it."""
        self.events.append(body)

    async def patch_event(self, namespace: str, name: str, patch: Body) -> None:
        """Count up the one of that name."""
        event = next(e for e in self.events if e["metadata"]["name"] == name)
        event |= patch

    async def list_pod_events(self, namespace: str, uid: str) -> list[Body]:
        """Nobody has told anything."""
        return []

    def _write(self, what: str, kind: Kind) -> None:
        self.writes.append(what)
        if kind.name in self.refuses:
            raise self.refuses[kind.name]

    def _ask(self, kind: Kind, name: str, call: Callable[[Target], Body]) -> Body:
        try:
            return copied(self._answer(Target(resource_of(kind), KEY.namespace, name), call))
        except Refused as refused:
            answer = json.dumps(refused.body).encode()
            response: Any = SimpleNamespace(status=refused.code, headers={}, reason="")
            raise _as_our_error(response, answer, kind) from refused

    def _answer(self, target: Target, call: Callable[[Target], Body]) -> Body:
        if target.resource not in self.server.served:
            raise Refused(404, "the server could not find the requested resource")
        return call(target)


class World:
    """
    A store, a cluster and the ModelServer `web`.

    Attributes:
        settings: what the operator was told; replace it to change it.
    """

    def __init__(self, *, serves_monitoring: bool = False, **spec: Any) -> None:
        self.store, self.cluster = Store(), MemoryCluster()
        self.memory = Memory(Recorder("test"))
        self.settings = Settings(
            "localhost/runtime:1", "test", now=lambda: CLOCK, prometheus_namespace="monitoring"
        )
        self.serve_monitoring(serves_monitoring)
        self.cluster.server.create(make.server(**spec) | {"metadata": dict(KEY._asdict())})

    @property
    def server(self) -> Body:
        """The live ModelServer."""
        return self.cluster.server.get("ModelServer", *KEY)

    @property
    def uid(self) -> str:
        """Uid of the ModelServer."""
        return str(self.server["metadata"]["uid"])

    @property
    def parsed(self) -> ModelServer:
        """The live ModelServer, parsed."""
        return ModelServer.parse(self.server)

    @property
    def count(self) -> int:
        """Pods that the Deployment is asked for."""
        return int(self.child("Deployment")["spec"]["replicas"])

    def serve_monitoring(self, served: bool) -> None:  # noqa: FBT001 - the verb's object
        """Install or remove the CRD of ServiceMonitors, and let the operator know."""
        self.cluster.server.serve_service_monitors(served)
        self.settings = replace(self.settings, monitoring_served=served)

    def edit(self, **spec: Any) -> None:
        """Give the ModelServer another spec, as `kubectl replace` does."""
        self.replace({**self.server, "spec": make.server(**spec)["spec"]})

    async def run(self, *, told: bool = True) -> Outcome:
        """
        Reconcile once; the writes of this run alone are kept.

        Args:
            told: whether the watches have told everything before.
        """
        if told:
            self.tell()
        self.cluster.writes.clear()
        return await reconcile(KEY, self.store, self.cluster, self.settings, self.memory)

    async def settle(self, *, problems: bool = False) -> None:
        """
        Reconcile until nothing is written any more, as the controller does.

        Args:
            problems: whether something may be in the way of the spec.
        """
        for _ in range(6):
            try:
                outcome = await self.run()
            except StalePicture:
                continue
            if not self.cluster.writes and (problems or not outcome.problems):
                return
        raise AssertionError(f"it does not come to rest: {self.cluster.writes}")

    def tell(self) -> None:
        """Have the watches tell of all that is there and all that has gone."""
        version = self.cluster.server.storage_revision
        for kind in WATCHED:
            found = [
                body
                for body in self.cluster.server.objects(kind.name, KEY.namespace)
                if kind == MODEL_SERVER or _is_watched(body)
            ]
            for body in found:
                self.store.put(kind, body)
            self.store.retain(kind, None, [body["metadata"]["uid"] for body in found], version)

    def children(self) -> dict[str, Body]:
        """Give every live object of a child's kind by `kind/name`."""
        return {
            f"{child.kind.name}/{body['metadata']['name']}": body
            for child in CHILDREN
            for body in self.cluster.server.objects(child.kind.name, KEY.namespace)
        }

    def child(self, kind: str) -> Body:
        """Give the one live child of *kind*."""
        (body,) = self.cluster.server.objects(kind, KEY.namespace)
        return body

    def replace(self, body: Body, manager: str = "kubectl-edit") -> None:
        """Store *body* as somebody else's edit; raises `Refused` where it is not valid."""
        target = Target(_resource(body["kind"]), KEY.namespace, body["metadata"]["name"])
        self.cluster.server.api.replace(target, body, Options(manager=manager))

    def remove(self, kind: str) -> None:
        """Delete the one child of *kind*, as somebody else."""
        self.cluster.server.delete(kind, KEY.namespace, self.child(kind)["metadata"]["name"])

    def make_stranger(self, body: Body) -> Body:
        """Create an object as somebody else, and give it as stored."""
        body["metadata"] = {"namespace": KEY.namespace, **body["metadata"]}
        return self.cluster.server.create(body)

    def scale(self, replicas: int, manager: str = "kube-controller-manager") -> None:
        """Set the Deployment's count through its scale, as an autoscaler does."""
        target = Target(_resource("Deployment"), KEY.namespace, KEY.name, "scale")
        self.cluster.server.api.rescale(
            target,
            {"metadata": {}, "spec": {"replicas": replicas}},
            Options(manager=manager),
        )

    def reasons(self) -> dict[str, str]:
        """Give the reason of each condition."""
        return {c["type"]: c["reason"] for c in self.server["status"]["conditions"]}


def resource_of(kind: Kind) -> Resource:
    """Find *kind* among what the test API server speaks."""
    wanted = (kind.api_version, kind.name)
    return next(r for r in RESOURCES if (r.api_version, r.kind) == wanted)


def _resource(kind: str) -> Resource:
    return next(resource for resource in RESOURCES if resource.kind == kind)


def _is_watched(body: Body) -> bool:
    name, value = labels.OURS.split("=")
    return bool(body["metadata"].get("labels", {}).get(name) == value)
